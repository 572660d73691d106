import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode, encode } from 'cborg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contactOf, decodeContact, encodeContact } from '../../src/peer/contact.ts'
import type { DirectoryChange } from '../../src/peer/directory.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { contactKey } from '../../src/store/contact-key.ts'
import { LevelStore } from '../../src/store/level.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/port.ts'
import { cardOf, codeOf, identityNamed } from '../identity/identities.ts'
import { testSealer } from '../store/test-sealer.ts'
import { Checkpoint, openDirectory } from './directory-support.ts'

const bob = identityNamed('bob')
const carol = identityNamed('carol')
const ADDRESSES = ['/ip4/192.0.2.7/tcp/7390', '/ip6/2001:db8::1/tcp/7390']

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-directory-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** Each kind of store, what ends its process, and the store that the next one opens. */
interface Kind {
  readonly store: Store
  stop(): Promise<void>
  again(): Store
}

const KINDS: readonly (readonly [string, () => Kind])[] = [
  [
    'memory, after a power cut,',
    () => {
      const disk = new MemoryDisk()
      const stop = async (): Promise<void> => disk.crash(seededRandomBytes('cut'))
      return { store: new MemoryStore(disk), stop, again: () => new MemoryStore(disk) }
    }
  ],
  [
    'LevelDB, closed and opened,',
    () => {
      const path = join(folder, 'db')
      const store = new LevelStore(path)
      return { store, stop: () => store.close(), again: () => new LevelStore(path) }
    }
  ]
]

describe.each(KINDS)('contacts in %s', (_kind, make) => {
  it('come back byte for byte', async () => {
    const { store, stop, again } = make()
    await store.open()
    const directory = await openDirectory(store)
    const { contact } = await directory.add(cardOf(bob, 3, ADDRESSES), 'Bob')
    await directory.setAddressOverride(contact.contact, ['/dns/proxy/tcp/1'])
    await directory.block(contact.contact, true)
    const { contact: gone } = await directory.add(cardOf(carol))
    await directory.add(cardOf(identityNamed('dave'), 1, []))
    await directory.remove(gone.contact)
    const before = directory.list()
    await stop()

    const reopened = again()
    await reopened.open()
    const after = await openDirectory(reopened)
    expect(after.list()).toEqual(before)
    expect(after.list().map(encodeContact)).toEqual(before.map(encodeContact))
    const read = after.resolve('Bob')
    expect(read).toMatchObject({ blocked: true, trust: 'known', addresses: ['/dns/proxy/tcp/1'] })
    expect(read.card).toMatchObject({ id: 'bob', nodeId: bob.nodeId, addresses: ADDRESSES, serial: 3 })
    expect(read.card.publicKeyBytes).toEqual(bob.publicKeyBytes)
    expect(read.card.bytes).toEqual(contact.card.bytes)
    expect(after.byNodeId(bob.nodeId)).toBe(read)
    await reopened.close()
  })
})

describe('a change', () => {
  it('is on disk before it can be seen, and changes wait for one another', async () => {
    const store = new Checkpoint(new MemoryStore())
    await store.open()
    const directory = await openDirectory(store)
    const seen: string[] = []
    directory.onChange(({ kind, contact }) => seen.push(`${kind} ${contact.name}`))
    store.hold()
    const added = directory.add(cardOf(bob))
    const twice = directory.add(cardOf(bob))
    const named = directory.add(cardOf(carol), 'bob')
    await new Promise(resolve => setImmediate(resolve))
    expect(store.batches).toHaveLength(1)
    expect(directory.size).toBe(0)
    expect(seen).toEqual([])
    store.release()
    expect((await added).change).toBe('added')
    expect((await twice).change).toBe('unchanged')
    expect(await codeOf(() => named)).toBe('NAME_TAKEN')
    expect(seen).toEqual(['added bob'])
  })

  it('that the store refuses did not happen, and the next one is tried', async () => {
    const store = new Checkpoint(new MemoryStore())
    await store.open()
    const directory = await openDirectory(store)
    const { contact } = await directory.add(cardOf(bob))
    const seen: DirectoryChange[] = []
    directory.onChange(change => seen.push(change))
    store.fail('before')
    const calls = [
      () => directory.add(cardOf(carol)),
      () => directory.rename(contact.contact, 'x'),
      () => directory.block(contact.contact, true),
      () => directory.remove(contact.contact)
    ]
    for (const call of calls) expect(await codeOf(call)).toBe('STORE_UNAVAILABLE')
    expect(directory.list()).toEqual([contact])
    expect(seen).toEqual([])
    store.fail(undefined)
    expect((await directory.rename(contact.contact, 'x')).name).toBe('x')
  })

  it('is told to listeners until they leave', async () => {
    const store = new MemoryStore()
    await store.open()
    const directory = await openDirectory(store)
    const seen: string[] = []
    const leave = directory.onChange(({ kind }) => seen.push(kind))
    const { contact } = await directory.add(cardOf(bob))
    leave()
    await directory.remove(contact.contact)
    expect(seen).toEqual(['added'])
  })
})

describe('after the store was opened again', () => {
  it('a contact that may have been blocked on the disk is not called unblocked before', async () => {
    const store = new Checkpoint(new MemoryStore())
    await store.open()
    const directory = await openDirectory(store)
    const { contact } = await directory.add(cardOf(bob))
    store.fail('after')
    expect(await codeOf(() => directory.block(contact.contact, true))).toBe('STORE_UNAVAILABLE')
    store.fail(undefined)
    expect(await codeOf(() => directory.block(contact.contact, false))).toBe('STORE_UNAVAILABLE')
    await directory.reload()
    expect((await directory.block(contact.contact, false)).blocked).toBe(false)
  })

  it('the contacts are what the disk says, and each difference is told', async () => {
    const store = new Checkpoint(new MemoryStore())
    await store.open()
    const directory = await openDirectory(store)
    const contacts = []
    for (const name of ['a', 'b', 'c', 'd']) contacts.push((await directory.add(cardOf(identityNamed(name)))).contact)
    const [a, b, c, d] = contacts.map(({ contact }) => contact)
    // Written, but not known to be: what a failed sync can leave behind.
    store.fail('after')
    const calls = [
      () => directory.rename(a ?? '', 'renamed'),
      () => directory.block(b ?? '', true),
      () => directory.remove(c ?? ''),
      () => directory.add(cardOf(identityNamed('e')))
    ]
    for (const call of calls) expect(await codeOf(call)).toBe('STORE_UNAVAILABLE')
    expect(directory.list()).toEqual(contacts)
    store.fail(undefined)
    const seen: string[] = []
    directory.onChange(({ kind, contact, before }) => seen.push(`${kind} ${before?.name ?? ''} ${contact.name}`))
    await directory.reload()
    expect(seen).toEqual(['removed c c', 'trust b b', 'added  e', 'updated a renamed'])
    expect(directory.list().map(({ name }) => name)).toEqual(['b', 'd', 'e', 'renamed'])
    expect(directory.byContact(d ?? '')).toBeDefined()
  })
})

describe('a stored contact', () => {
  const record = contactOf({
    contact: 'abcdefghijklmnop',
    name: 'bob',
    card: cardOf(bob),
    addressOverride: ['/dns/a/tcp/1', '/dns/b/tcp/2'],
    trust: 'verified',
    blocked: true,
    addedAt: 77
  })

  it('is read as it was written, with every trust and override', () => {
    for (const trust of ['known', 'pending', 'verified', 'changed'] as const) {
      for (const addressOverride of [null, [], ['/dns/a/tcp/1']]) {
        const contact = contactOf({ ...record, trust, addressOverride })
        expect(decodeContact(encodeContact(contact))).toEqual(contact)
      }
    }
  })

  it('that is damaged stops the daemon rather than being passed over', async () => {
    const bytes = encodeContact(record)
    const flippedCard = bytes.slice()
    const cardAt = Buffer.from(bytes).indexOf(record.card.bytes) + 60
    flippedCard[cardAt] = (flippedCard[cardAt] ?? 0) ^ 1
    const values: unknown[] = [
      { ...decode(bytes), v: 1 },
      { ...decode(bytes), v: 3 },
      { ...decode(bytes), chain: [new Uint8Array(8)] },
      { ...decode(bytes), sendsFor: [new Uint8Array(8)] },
      { ...decode(bytes), more: 1 },
      { ...decode(bytes), contact: 'x' },
      { ...decode(bytes), name: ' x' },
      { ...decode(bytes), addressOverride: ['/dns/A/tcp/1'] },
      { ...decode(bytes), trust: 'blocked' },
      { ...decode(bytes), blocked: 1 },
      { ...decode(bytes), addedAt: -1 }
    ]
    expect(decodeContact(encode(decode(bytes)))).toEqual(record)
    const wrong = [
      new Uint8Array(0),
      bytes.slice(1),
      bytes.slice(0, -1),
      flippedCard,
      ...values.map(value => encode(value))
    ]
    const sealer = testSealer()
    const here = contactKey(sealer, record.contact)
    const elsewhere = contactKey(sealer, 'other')
    const damaged: [Uint8Array, Uint8Array][] = wrong
      .filter(value => value.length > 0)
      .map(value => [here, sealer.seal('peers', here, value)])
    damaged.push([here, bytes], [here, new Uint8Array(0)])
    damaged.push([elsewhere, sealer.seal('peers', elsewhere, bytes)], [elsewhere, sealer.seal('peers', here, bytes)])
    for (const [key, value] of damaged) {
      const store = new MemoryStore()
      await store.open()
      await store.batch([{ type: 'put', sublevel: 'peers', key, value }], { sync: true })
      const opened = openDirectory(store)
      await expect(opened).rejects.toMatchObject({ code: 'RECORD_DAMAGED', data: { sublevel: 'peers' } })
    }
  })
})
