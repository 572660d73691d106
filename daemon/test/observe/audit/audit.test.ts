import { beforeEach, describe, expect, test } from 'vitest'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import { heldInMemory, KeyringHolder } from '../../../src/identity/keyring-holder.ts'
import { Audit } from '../../../src/observe/audit/audit.ts'
import { AuditRecords, auditKeyOf } from '../../../src/observe/audit/records.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../src/store/memory.ts'
import { sealerOf } from '../../../src/store/sealed.ts'
import { keyringOf } from '../../vault/support.ts'

const keyring = keyringOf('alice')
const sealer = sealerOf(keyring.storeKeys, seededRandomBytes('sealer'))
const clock = new VirtualClock()

let disk: MemoryDisk
let store: MemoryStore
let keys: KeyringHolder
let audit: Audit

const open = (auditCountMax = 1_000) => Audit.open({ store, sealer, clock, keys, options: { auditCountMax } })

async function fill(count: number, from = 1): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => `contact-${from + i}`)
  await Promise.all(entries.map(subject => audit.record({ action: 'peer.blocked', subject, by: 'local' })))
}

const get = (index: number) => store.get('audit', auditKeyOf(index)) as Uint8Array
const put = (index: number, value: Uint8Array) =>
  store.batch([{ type: 'put', sublevel: 'audit', key: auditKeyOf(index), value }], { sync: true })
const drop = (...indexes: number[]) =>
  store.batch(
    indexes.map(index => ({ type: 'delete', sublevel: 'audit', key: auditKeyOf(index) }) as const),
    { sync: true }
  )
/** The content of an entry, as somebody who has the keys of the store sees it. */
const plain = (index: number) => sealer.open('audit', auditKeyOf(index), get(index))
/** Puts a content in place of an entry, as somebody who has the keys of the store can. */
const reseal = (index: number, content: Uint8Array) => put(index, sealer.seal('audit', auditKeyOf(index), content))

beforeEach(async () => {
  disk = new MemoryDisk()
  store = new MemoryStore(disk)
  await store.open()
  keys = heldInMemory(keyring)
  audit = await open()
})

test('entries are numbered in the order of the calls, and tell who did what to whom and when', async () => {
  const adding = audit.record({ action: 'peer.added', subject: 'f1', by: 'local', detail: { id: 'bob', app: 'cli' } })
  const failing = audit.record({ action: 'pairing.failed', by: 'peer' })
  await Promise.all([adding, failing])
  const { entries, first, count, head, unreadable } = await audit.list(0, 10)
  const at = clock.wallMs()
  expect(entries).toEqual([
    { index: 1, at, action: 'peer.added', subject: 'f1', by: 'local', detail: { id: 'bob', app: 'cli' } },
    { index: 2, at, action: 'pairing.failed', subject: null, by: 'peer', detail: {} }
  ])
  expect({ first, count, unreadable }).toEqual({ first: 1, count: 2, unreadable: [] })
  expect(await audit.verify()).toEqual({ ok: true, count: 2, head })
  expect(keys.current.auditHead).toEqual({ count: 2, head: new Uint8Array(Buffer.from(head, 'hex')) })
})

test('an empty log is as it was written', async () => {
  expect(await audit.verify()).toEqual({ ok: true, count: 0, head: '0'.repeat(64) })
})

test('the log goes on after a restart', async () => {
  await fill(3)
  await audit.stop()
  audit = await open()
  await fill(2, 4)
  expect(await audit.verify()).toMatchObject({ ok: true, count: 5 })
  expect((await audit.list(2, 2)).entries.map(({ subject }) => subject)).toEqual(['contact-3', 'contact-4'])
})

test('nothing of an entry lies in the store in the open', async () => {
  await audit.record({ action: 'peer.added', subject: 'a-subject-to-find', by: 'local', detail: { id: 'bob@host' } })
  const value = Buffer.from(get(1))
  for (const text of ['a-subject-to-find', 'bob@host', 'peer.added']) expect(value.includes(text)).toBe(false)
})

describe('verify finds', () => {
  beforeEach(() => fill(9))

  test('a byte that was changed', async () => {
    const value = get(4).slice()
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
    await put(4, value)
    expect(await audit.verify()).toEqual({ ok: false, at: 4, problem: 'edited' })
    expect(await audit.list(0, 20)).toMatchObject({ unreadable: [4], count: 9 })
  })

  test('an entry that was written anew with the keys of the store', async () => {
    const content = Buffer.from(plain(4))
    content.write('contact-9', content.indexOf('contact-4'))
    await reseal(4, content)
    expect(await audit.verify()).toEqual({ ok: false, at: 4, problem: 'edited' })
  })

  test('an entry that was taken out', async () => {
    await drop(4)
    expect(await audit.verify()).toEqual({ ok: false, at: 4, problem: 'missing' })
  })

  test('the first entry taken out', async () => {
    await drop(1)
    expect(await audit.verify()).toEqual({ ok: false, at: 1, problem: 'missing' })
  })

  test('two entries that were swapped as they lie there', async () => {
    const [third, fourth] = [get(3), get(4)]
    await put(3, fourth)
    await put(4, third)
    expect(await audit.verify()).toEqual({ ok: false, at: 3, problem: 'edited' })
  })

  test('two entries that were swapped with the keys of the store', async () => {
    const [third, fourth] = [plain(3), plain(4)]
    await reseal(3, fourth)
    await reseal(4, third)
    expect(await audit.verify()).toEqual({ ok: false, at: 3, problem: 'reordered' })
  })

  test('an end that was cut off', async () => {
    await drop(8, 9)
    expect(await audit.verify()).toEqual({ ok: false, at: 8, problem: 'cut-off' })
  })

  test('everything taken away', async () => {
    await drop(1, 2, 3, 4, 5, 6, 7, 8, 9)
    expect(await audit.verify()).toEqual({ ok: false, at: 1, problem: 'cut-off' })
  })

  test('an end that was cut off before a restart, also once the log has gone on', async () => {
    await drop(8, 9)
    audit = await open()
    expect(await audit.verify()).toEqual({ ok: false, at: 8, problem: 'cut-off' })
    await fill(2, 10)
    expect(await audit.verify()).toEqual({ ok: false, at: 8, problem: 'missing' })
    expect((await audit.list(0, 20)).entries.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 10, 11])
  })

  test('a log that was made with another audit key', async () => {
    const others = new AuditRecords(sealer, new Uint8Array(32).fill(9))
    let previous: Uint8Array = new Uint8Array(32)
    for (let index = 1; index <= 9; index++) {
      const record = others.make({ action: 'peer.added', by: 'local' }, index, 1, previous)
      previous = record.mac
      await store.batch([others.put(record)], { sync: true })
    }
    expect(await audit.verify()).toEqual({ ok: false, at: 1, problem: 'edited' })
  })
})

describe('a full log', () => {
  test('lets the oldest leave, and what is kept is still chained to them', async () => {
    audit = await open(100)
    for (let i = 0; i < 25; i++) await fill(10, 10 * i + 1)
    const { entries, first, count } = await audit.list(0, 500)
    expect({ first, count, kept: entries.length }).toEqual({ first: 151, count: 250, kept: 100 })
    expect(await audit.verify()).toMatchObject({ ok: true, count: 250 })
    await drop(151)
    expect(await audit.verify()).toEqual({ ok: false, at: 151, problem: 'missing' })
  })

  test('shows that its anchor was taken away, or made by somebody else', async () => {
    audit = await open(100)
    for (let i = 0; i < 12; i++) await fill(10, 10 * i + 1)
    const anchor = get(0)
    await drop(0)
    expect(await audit.verify()).toEqual({ ok: false, at: 1, problem: 'missing' })
    const others = new AuditRecords(sealer, new Uint8Array(32).fill(9))
    await store.batch([others.putAnchor(others.anchorAt({ index: 60, mac: new Uint8Array(32) }))], { sync: true })
    expect(await audit.verify()).toEqual({ ok: false, at: 1, problem: 'edited' })
    await put(0, anchor)
    expect(await audit.verify()).toMatchObject({ ok: true, count: 120 })
  })

  test('moves on past an entry that is damaged or gone', async () => {
    audit = await open(100)
    await fill(100)
    await drop(1, 2, 3)
    await fill(1, 101)
    expect(await audit.verify()).toMatchObject({ ok: true, count: 101 })
    expect((await audit.list(0, 500)).first).toBe(5)
  })

  test('goes on after a restart, also with a smaller limit', async () => {
    await fill(900)
    audit = await open(100)
    for (let i = 0; i < 4; i++) await fill(1, 901 + i)
    expect(await audit.list(0, 1)).toMatchObject({ first: 805, count: 904 })
    expect(await audit.verify()).toMatchObject({ ok: true, count: 904 })
  })
})

describe('where the disk fails', () => {
  test('an entry is told as lost, and the log goes on at its number', async () => {
    await fill(2)
    const lost = audit.record({ action: 'peer.blocked', by: 'local' })
    audit.storeLost()
    await expect(lost).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(audit.record({ action: 'peer.blocked', by: 'local' })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE'
    })
    await audit.reload()
    await fill(1, 3)
    expect(await audit.verify()).toMatchObject({ ok: true, count: 3 })
  })

  test('an entry whose head could not be saved is told as lost, and is no damage', async () => {
    let isBroken = true
    keys = new KeyringHolder(keyring, async () => {
      if (isBroken) throw new Error('the disk is full')
    })
    audit = await open()
    await expect(audit.record({ action: 'peer.blocked', by: 'local' })).rejects.toThrow('full')
    isBroken = false
    await fill(1, 2)
    expect(await audit.verify()).toMatchObject({ ok: true, count: 2 })
    expect(keys.current.auditHead.count).toBe(2)
  })

  test('a crash between store and keyring leaves a log that holds', async () => {
    await fill(2)
    const before = keys.current
    await fill(1, 3)
    keys = heldInMemory(before)
    audit = await open()
    await fill(1, 4)
    expect(await audit.verify()).toMatchObject({ ok: true, count: 4 })
  })
})

test('an entry over its bounds is refused', async () => {
  const long = 'x'.repeat(3_000)
  for (const entry of [{ subject: long }, { detail: { long } }, { by: long }]) {
    await expect(audit.record({ action: 'peer.added', by: 'local', ...entry })).rejects.toBeInstanceOf(RangeError)
  }
  await fill(1)
  expect(await audit.verify()).toMatchObject({ ok: true, count: 1 })
})
