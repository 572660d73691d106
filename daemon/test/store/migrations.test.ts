import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { OwnCard } from '../../src/identity/own-card.ts'
import { type Contact, contactOf } from '../../src/peer/contact.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { contactKey } from '../../src/store/contact-key.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import { type Migration, migrate, schemaSteps } from '../../src/store/migrations.ts'
import type { Store, StoreWrite } from '../../src/store/port.ts'
import { recordCodec } from '../../src/store/records.ts'
import { cardOf, identityNamed } from '../identity/identities.ts'
import { openDirectory } from '../peer/directory-support.ts'
import { bytes, collect, del, put } from './contract.ts'
import { testSealer } from './test-sealer.ts'

const sealer = testSealer()
const steps = schemaSteps(sealer)
const step = (to: number, plan: Migration['plan'] = async () => []): Migration => ({ to, plan })

describe('migrate', () => {
  let disk: MemoryDisk
  let store: MemoryStore

  beforeEach(async () => {
    disk = new MemoryDisk()
    store = new MemoryStore(disk)
    await store.open()
  })

  it('brings an empty store to the newest version, synced, and then has nothing to do', async () => {
    const newest = steps.at(-1)?.to
    expect(await migrate(store, steps)).toEqual({ from: 0, to: newest })
    expect(disk.unsyncedCount).toBe(0)
    const before = await collect(store.range('meta'))
    expect(await migrate(store, steps)).toEqual({ from: newest, to: newest })
    expect(await collect(store.range('meta'))).toEqual(before)
  })

  it('numbers its own steps without a gap', () => {
    expect(steps.map(({ to }) => to)).toEqual(steps.map((_, index) => index + 1))
  })

  it('runs only the steps that are missing, each on what the steps before it leave', async () => {
    await migrate(store, [step(1)])
    const stored = [
      put('peers', bytes(1), bytes(10)),
      put('peers', bytes(3), bytes(30)),
      put('peers', bytes(5), bytes(50))
    ]
    await store.batch(stored, { sync: false })
    const seen: unknown[] = []
    const changes = [
      put('peers', bytes(0), bytes(1)),
      del('peers', bytes(1)),
      put('peers', bytes(2), bytes(2)),
      put('peers', bytes(3), bytes(3)),
      del('peers', bytes(4)),
      put('peers', bytes(6), bytes(6))
    ]
    const result = await migrate(store, [
      step(1, () => Promise.reject(new Error('ran again'))),
      step(2, async () => changes),
      step(3, async view => {
        seen.push(...[0, 1, 5, 9].map(key => view.get('peers', bytes(key))?.[0]))
        seen.push(await collect(view.entries('peers')), await collect(view.entries('audit')))
        return []
      })
    ])
    const after = [
      [[0], [1]],
      [[2], [2]],
      [[3], [3]],
      [[5], [50]],
      [[6], [6]]
    ]
    expect(result).toEqual({ from: 1, to: 3 })
    expect(seen).toEqual([1, undefined, 50, undefined, after, []])
    expect(await collect(store.range('peers'))).toEqual(after)
  })

  it('writes nothing when a step fails', async () => {
    await migrate(store, [step(1)])
    const before = await collect(store.range('meta'))
    const migrations = [
      step(1),
      step(2, async () => [put('peers', bytes(1), bytes(1))]),
      step(3, () => Promise.reject(new RangeError('broken')))
    ]
    await expect(migrate(store, migrations)).rejects.toBeInstanceOf(RangeError)
    expect(await collect(store.range('peers'))).toEqual([])
    expect(await collect(store.range('meta'))).toEqual(before)
  })

  it('is all there or not at all after a crash in the middle of it', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const crashing = new MemoryDisk()
      const first = new MemoryStore(crashing)
      await first.open()
      const cut: Store = {
        open: () => first.open(),
        close: () => first.close(),
        get: (sublevel, key) => first.get(sublevel, key),
        range: (sublevel, range) => first.range(sublevel, range),
        batch: (writes, options) => {
          const written = first.batch(writes, options)
          crashing.crash(seededRandomBytes(`${seed}`))
          return written
        }
      }
      const migrations = [
        step(1, async () => [put('peers', bytes(1), bytes(1))]),
        step(2, async () => [put('lanes', bytes(1), bytes(1))])
      ]
      await expect(migrate(cut, migrations)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      const second = new MemoryStore(crashing)
      await second.open()
      const counts = [(await collect(second.range('peers'))).length, (await collect(second.range('lanes'))).length]
      const { from } = await migrate(second, migrations)
      outcomes.add(JSON.stringify([...counts, from]))
    }
    expect([...outcomes].sort()).toEqual(['[0,0,0]', '[1,1,2]'])
  })

  it('refuses a newer store and leaves it untouched', async () => {
    await migrate(store, [step(1), step(2)])
    const before = await collect(store.range('meta'))
    await expect(migrate(store, [step(1)])).rejects.toMatchObject({
      code: 'STORE_NEWER',
      data: { schema: 2, known: 1 }
    })
    expect(await collect(store.range('meta'))).toEqual(before)
  })

  it('refuses a store whose version does not decode', async () => {
    const [key] = await migrate(store, steps).then(() => collect(store.range('meta')))
    const write: StoreWrite = put('meta', Uint8Array.from(key?.[0] ?? []), bytes('not a record'))
    await store.batch([write], { sync: true })
    await expect(migrate(store, steps)).rejects.toMatchObject({ code: 'RECORD_DAMAGED', data: { sublevel: 'meta' } })
  })
})

describe('the steps to schema 4', () => {
  const ada = identityNamed('ada')
  const bob = identityNamed('bob')
  const ownCard = cardOf(ada, 9)
  const contact = contactOf({
    contact: 'abcdefghijklmnop',
    name: 'Bob of the harbour',
    card: cardOf(bob, 3, ['/ip4/192.0.2.7/tcp/7390']),
    addressOverride: null,
    trust: 'verified',
    blocked: true,
    addedAt: 77,
    verified: { how: 'owner', at: 77, inherited: null }
  })

  /** A contact as it was kept before it had a key apart from its card. */
  function formerContact({ card, ...kept }: Contact): Uint8Array {
    const { contact, name, addressOverride, trust, blocked, addedAt } = kept
    const codec = recordCodec({ sublevel: 'peers', version: 1, schema: z.record(z.string(), z.unknown()) })
    return codec.encode({ contact, name, card: card.bytes, addressOverride, trust, blocked, addedAt })
  }

  /** A store as schema 1 left it. */
  async function oldStore(): Promise<MemoryStore> {
    const store = new MemoryStore()
    await store.open()
    await migrate(store, [step(1)])
    const plain = [
      put('peers', bytes('contact/abcdefghijklmnop'), formerContact(contact)),
      put('meta', bytes('own-card'), ownCard.bytes),
      put('meta', bytes('listen-ports'), bytes('{"/ip4/127.0.0.1/tcp/0":4711}'))
    ]
    await store.batch(plain, { sync: true })
    return store
  }

  it('seals contacts and the own card, and keeps all that they say', async () => {
    const store = await oldStore()
    expect(await migrate(store, steps)).toEqual({ from: 1, to: steps.length })
    const directory = await openDirectory(store)
    expect(directory.list()).toEqual([contact])
    const clock = { wallMs: () => 1 }
    expect(new OwnCard({ store, sealer, keyring: ada, clock }).current?.bytes).toEqual(ownCard.bytes)
    await directory.remove(contact.contact)
    expect(await collect(store.range('peers'))).toEqual([])
  })

  it('leaves nothing that names anyone', async () => {
    const store = await oldStore()
    await migrate(store, steps)
    const found: Buffer[] = []
    for (const sublevel of ['peers', 'meta'] as const) {
      for await (const { key, value } of store.range(sublevel)) found.push(Buffer.concat([key, value]))
    }
    const all = Buffer.concat(found)
    for (const name of ['bob', 'Bob', 'ada', 'abcdefgh', '192.0.2.7', '127.0.0.1'])
      expect(all.includes(name)).toBe(false)
    expect(store.get('peers', contactKey(sealer, contact.contact))).toBeDefined()
    const ports = sealer.open('meta', bytes('listen-ports'), store.get('meta', bytes('listen-ports')) ?? bytes(0))
    expect(ports).toEqual(bytes('{"/ip4/127.0.0.1/tcp/0":4711}'))
  })
})
