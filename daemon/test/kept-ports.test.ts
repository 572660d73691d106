import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../src/actor/virtual-clock.ts'
import { KeptPortsTransport } from '../src/kept-ports.ts'
import { createLog } from '../src/observe/log.ts'
import { MemoryStore } from '../src/store/memory.ts'
import { MemoryNetwork } from '../src/transport/memory.ts'
import type { Gate, NodeId, Transport } from '../src/transport/port.ts'
import { testSealer } from './store/test-sealer.ts'
import { SHIPPED_ADMISSION } from './transport/shipped-admission.ts'

const DEFAULT = '/ip4/0.0.0.0/tcp/7390'
const ANY = '/ip4/127.0.0.1/tcp/0'
const gate: Gate = { admitsNode: () => true, refused: () => {} }
const nodeId = 'own' as NodeId

let network: MemoryNetwork
let store: MemoryStore
const sealer = testSealer()
let warnings: string[]
beforeEach(async () => {
  network = new MemoryNetwork({ clock: new VirtualClock() })
  store = new MemoryStore()
  await store.open()
  warnings = []
})

function keeping(listen: readonly string[], isDefault = false): Transport {
  const log = createLog({ level: 'warn', format: 'text', write: line => warnings.push(line) })
  return new KeptPortsTransport({
    nodeId,
    listen,
    isDefault,
    store,
    sealer,
    log,
    create: async addresses => network.transport({ nodeId, listen: addresses, admission: SHIPPED_ADMISSION })
  })
}

async function boundBy(listen: readonly string[], isDefault = false): Promise<readonly string[]> {
  const transport = keeping(listen, isDefault)
  await transport.start(gate)
  const bound = transport.listenAddresses()
  await transport.stop()
  return bound
}

async function occupy(address: string): Promise<Transport> {
  const thief = network.transport({ nodeId: 'thief' as NodeId, listen: [address], admission: SHIPPED_ADMISSION })
  await thief.start(gate)
  return thief
}

describe('listen ports', () => {
  it('that were free to choose stay the same from start to start', async () => {
    const first = await boundBy([ANY])
    expect(first[0]).not.toBe(ANY)
    // Others take ports in between, so the next free one would be another.
    await boundBy(['/ip4/127.0.0.2/tcp/0'])
    expect(await boundBy([ANY])).toEqual(first)
    expect(warnings).toEqual([])
  })

  it('are the default where it is free, and a free one that is kept where it is taken', async () => {
    expect(await boundBy([DEFAULT], true)).toEqual([DEFAULT])
    const thief = await occupy(DEFAULT)
    const instead = await boundBy([DEFAULT], true)
    expect(instead).not.toEqual([DEFAULT])
    await thief.stop()
    // Cards out there name the port that was kept.
    expect(await boundBy([DEFAULT], true)).toEqual(instead)
    expect(warnings).toHaveLength(1)
  })

  it('are not given up where they were asked for by number', async () => {
    await occupy(DEFAULT)
    await expect(boundBy([DEFAULT])).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
    expect(warnings).toEqual([])
  })

  it('give way to new ones where a kept one is taken, one by one', async () => {
    const other = '/ip4/127.0.0.2/tcp/0'
    const [first = '', second = ''] = await boundBy([ANY, other])
    await occupy(second)
    const again = await boundBy([ANY, other])
    expect(again[0]).toBe(first)
    expect(again[1]).not.toBe(second)
    expect(await boundBy([ANY, other])).toEqual(again)
  })

  it('are refused where the record of them is damaged', async () => {
    await boundBy([ANY])
    for await (const { key } of store.range('meta')) {
      await store.batch([{ type: 'put', sublevel: 'meta', key, value: new Uint8Array([1]) }], { sync: true })
    }
    await expect(boundBy([ANY])).rejects.toMatchObject({ code: 'RECORD_DAMAGED' })
  })
})

describe('a transport that keeps its ports', () => {
  it('answers protocols that were handled before its start', async () => {
    const clock = new VirtualClock()
    network = new MemoryNetwork({ clock })
    const transport = keeping([ANY])
    const arrived = Promise.withResolvers<string>()
    await transport.handle('/test/1', stream => arrived.resolve(stream.nodeId))
    await transport.start(gate)
    const other = network.transport({ nodeId: 'other' as NodeId, listen: [], admission: SHIPPED_ADMISSION })
    await other.start(gate)
    const [address = ''] = transport.listenAddresses()
    const dialled = other.dial({ nodeId, address, protocol: '/test/1', signal: new AbortController().signal })
    await clock.advance(1_000)
    await dialled
    expect(await arrived.promise).toBe('other')
  })
})
