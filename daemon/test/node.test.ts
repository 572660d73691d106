import { type Client, connect } from '@parley/client-sdk'
import { makeConfig } from '@parley/config'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../src/actor/virtual-clock.ts'
import { Outbox } from '../src/delivery/outbox/outbox.ts'
import { formatCard, makeCard } from '../src/identity/card.ts'
import { heldInMemory } from '../src/identity/keyring-holder.ts'
import { MemoryAppServer } from '../src/ipc/memory.ts'
import { createNode, type ParleyNode } from '../src/node.ts'
import { HealthBoard } from '../src/observe/health.ts'
import { seededRandomBytes } from '../src/random.ts'
import { MemoryDisk, MemoryStore } from '../src/store/memory.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from '../src/store/port.ts'
import { openSealer } from '../src/store/sealed.ts'
import { MemoryNetwork } from '../src/transport/memory.ts'
import { identityNamed } from './identity/identities.ts'

const NO_LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** A store whose caller finds a bug where `isMad` says so: it throws instead of answering. */
class MadStore implements Store {
  readonly #inner: Store
  isMad = false

  constructor(inner: Store) {
    this.#inner = inner
  }

  open(): Promise<void> {
    return this.#inner.open()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(sublevel, key)
  }

  range(sublevel: Sublevel, range?: StoreRange): AsyncIterable<StoreEntry> {
    return this.#inner.range(sublevel, range)
  }

  batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (this.isMad) throw new RangeError('an invariant that does not hold')
    return this.#inner.batch(writes, options)
  }
}

class Rig {
  readonly clock = new VirtualClock()
  readonly disk = new MemoryDisk()
  readonly keys = heldInMemory(identityNamed('alice'))
  readonly store = new MadStore(new MemoryStore(this.disk))
  readonly apps = new MemoryAppServer('alice', 2 * 1_024 * 1_024, this.clock)
  readonly config = makeConfig({ node: { profile: 'test' }, network: { listen: ['/ip4/127.0.0.1/tcp/7000'] } })
  readonly node: ParleyNode

  constructor() {
    const { clock, config, keys, store, apps } = this
    const network = new MemoryNetwork({ clock, random: seededRandomBytes('network') })
    this.node = createNode({
      ...{ clock, config, keys, store, apps },
      randomBytes: seededRandomBytes('alice'),
      transport: network.transport({
        nodeId: keys.current.nodeId,
        listen: config.network.listen,
        admission: { ...config.limits, unprovenDeadlineMs: config.limits.handshakeTimeoutMs }
      }),
      log: NO_LOG,
      version: '0.0.0',
      pid: 1,
      home: null,
      interfaces: () => [],
      ownsProcess: false,
      requestStop: () => {}
    })
  }

  /** Runs, with an app and a contact that is never there. */
  async start(): Promise<Client> {
    await this.store.open()
    await this.run(this.node.start())
    const client = await this.run(
      connect({ socket: 'alice', clock: this.clock, random: () => 0.5, open: () => this.apps.open() })
    )
    const card = makeCard(identityNamed('bob'), { addresses: [], serial: 1, time: 1 })
    await this.run(client.peers.add(formatCard(card), { name: 'bob' }))
    return client
  }

  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    done.catch(() => {}) // it is thrown at the end
    for (let step = 0; !isDone; step++) {
      if (step > 10_000) throw new Error('it takes for ever')
      await this.clock.advance(10)
    }
    return done
  }
}

describe('a node', () => {
  it('that stops under load has on disk what it has accepted, and says of the rest that it is not', async () => {
    const rig = new Rig()
    const client = await rig.start()
    const sends = Array.from({ length: 200 }, (_, n) => client.send('bob', `${n}`, { channel: `c${n % 5}` }))
    const outcomes = Promise.allSettled(sends)
    await rig.run(rig.node.stop())
    await rig.run(client.close())
    const accepted = (await rig.run(outcomes)).filter(({ status }) => status === 'fulfilled')
    const store = new MemoryStore(rig.disk)
    await store.open()
    const randomBytes = seededRandomBytes('again')
    const outbox = await Outbox.open({
      ...{ store, clock: rig.clock, randomBytes, log: NO_LOG, emit: () => {} },
      sealer: await openSealer({ store, keys: rig.keys.current.storeKeys, randomBytes }),
      health: new HealthBoard(rig.clock, () => {}, []),
      options: rig.config.limits,
      contactName: contact => contact
    })
    expect(outbox.queue().messages).toBe(accepted.length)
  })

  it('ends by itself when the outbox fails in a way that nothing foresaw', async () => {
    const rig = new Rig()
    const client = await rig.start()
    rig.store.isMad = true
    client.send('bob', 'one').catch(() => {}) // nobody can tell any more
    const error = await rig.run(rig.node.failed)
    expect(error.message).toBe('the outbox failed')
    rig.store.isMad = false
    await rig.run(rig.node.stop())
    await rig.run(client.close())
  })

  it('tells what waits, what came and who reads', async () => {
    const rig = new Rig()
    const client = await rig.start()
    await rig.run(client.send('bob', 'one'))
    const status = await rig.run(client.status())
    expect(status.queue).toMatchObject({ messages: 1, bytes: 3 })
    expect(status.peers[0]?.queue).toMatchObject({ messages: 1 })
    expect(status.inbox).toMatchObject({ messages: 0, durableMessages: 0 })
    expect(status.consumers).toEqual([])
    await rig.run(client.close())
    await rig.run(rig.node.stop())
  })
})
