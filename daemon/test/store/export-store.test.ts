import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from 'cborg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeRun, runKey as inboxKey } from '../../src/delivery/inbox/run-record.ts'
import { CLIENT, LANE, laneKey, putRecord, RUN, runKey } from '../../src/delivery/outbox/records.ts'
import { formatCard } from '../../src/identity/card.ts'
import { createIdentity } from '../../src/identity/keyring.ts'
import { makeLock, saveKeyring } from '../../src/identity/keyring-file.ts'
import { contactOf, encodeContact } from '../../src/peer/contact.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { contactKey } from '../../src/store/contact-key.ts'
import type { ExportLine } from '../../src/store/export-records.ts'
import { exportStore } from '../../src/store/export-store.ts'
import { LevelStore } from '../../src/store/level.ts'
import type { StoreWrite } from '../../src/store/port.ts'
import { openSealer } from '../../src/store/sealed.ts'
import type { Sealer } from '../../src/store/sealer.ts'
import { cardOf, identityNamed } from '../identity/identities.ts'
import { bytes, put } from './contract.ts'

const EPOCH = '0102030405060708090a0b0c0d0e0f10'
const RUN_COUNT = 200
const bob = cardOf(identityNamed('bob'))
const contact = contactOf({
  contact: 'abcdefghijklmnop',
  name: 'Bob',
  card: bob,
  addressOverride: null,
  trust: 'known',
  blocked: false,
  addedAt: 7
})

describe('an export', () => {
  let stateDir: string
  let store: LevelStore
  let sealer: Sealer
  let keyBytes: Uint8Array

  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'parley-export-'))
    store = new LevelStore(join(stateDir, 'store'))
    await store.open()
    const randomBytes = seededRandomBytes('export')
    const keyring = createIdentity({ user: 'u', host: 'h', now: 1, randomBytes })
    keyBytes = keyring.encode()
    const lock = await makeLock(stateDir, undefined, randomBytes)
    await saveKeyring(stateDir, { keyring, lock }, 'create', randomBytes)
    sealer = await openSealer({ store, keys: keyring.storeKeys, randomBytes })
  })
  afterEach(async () => {
    await store.close()
    await rm(stateDir, { recursive: true })
  })

  const sealed = (sublevel: 'inbox' | 'peers' | 'clients', key: Uint8Array, content: Uint8Array): StoreWrite =>
    put(sublevel, key, sealer.seal(sublevel, key, content))

  function received(index: number, bodies: readonly Uint8Array[]): StoreWrite {
    const run = {
      contact: contact.contact,
      from: 'bob',
      channel: 'chat',
      epoch: new Uint8Array(Buffer.from(EPOCH, 'hex')),
      lane: 1_025,
      firstSeq: index,
      sentAt: 1_000 + index,
      receivedAtMs: 5,
      maybeDuplicate: false,
      sizes: bodies.map(body => body.length)
    }
    return sealed('inbox', inboxKey(index), encodeRun(run, bodies))
  }

  function queued(first: number, bodies: readonly Uint8Array[]): StoreWrite {
    const hidden = sealer.hiddenName('contact', contact.contact)
    return putRecord(sealer, RUN, runKey(hidden, 1_025, first), {
      kind: 'run',
      count: bodies.length,
      acceptedAt: 9,
      acceptedMs: 9,
      ttlMs: 1_000,
      tag: bytes(1),
      fingerprint: bytes(2),
      maybeDuplicate: false,
      bodies: [...bodies]
    })
  }

  function lane(): StoreWrite {
    const hidden = sealer.hiddenName('contact', contact.contact)
    return putRecord(sealer, LANE, laneKey(hidden, 1_025), {
      ...{ contact: contact.contact, channel: 'work', epoch: EPOCH, number: 1_025, next: 9, stored: 0, storedTag: '' },
      ...{ isStoredBySkip: false, takenThrough: 0, hole: null, forgottenThrough: 0, handled: [], cancelled: [] },
      ...{ expiredNo: [], expiredMaybe: [], rejected: [], origins: [], moved: [], idleSinceMs: 0, endedAtMs: null }
    })
  }

  async function exported(): Promise<{ summary: Awaited<ReturnType<typeof exportStore>>; lines: ExportLine[] }> {
    const lines: ExportLine[] = []
    const summary = await exportStore({ stateDir }, async line => void lines.push(line))
    return { summary, lines }
  }

  it('has every message, contact and record of a healthy store, each message on a line of its own', async () => {
    const key = contactKey(sealer, contact.contact)
    await store.batch(
      [
        sealed('peers', key, encodeContact(contact)),
        lane(),
        queued(3, [bytes('to do'), bytes(0xff)]),
        received(1, [bytes('hello'), bytes('hé')]),
        putRecord(sealer, CLIENT, bytes('client/1'), { client: 'c', answeredThrough: 4, usedMs: 0, accepted: [] })
      ],
      { sync: true }
    )
    await store.close()
    const { summary, lines } = await exported()
    expect(summary).toEqual({ lines: 7, messages: 4, damaged: {}, cutShort: [], repaired: false })
    const of = (sublevel: string) => lines.filter(line => line['sublevel'] === sublevel)
    expect(of('peers')).toMatchObject([{ name: 'Bob', id: 'bob', card: formatCard(bob), contact: 'abcdefghijklmnop' }])
    const sent = { contact: 'abcdefghijklmnop', channel: 'work', acceptedAt: 9, ttlMs: 1_000, kind: 'run' }
    expect(of('outbox')).toMatchObject([
      { ...sent, id: `${EPOCH}.1025.3`, body: 'dG8gZG8=', text: 'to do' },
      { ...sent, id: `${EPOCH}.1025.4`, body: '/w==' }
    ])
    expect(of('outbox')[1]).not.toHaveProperty('text')
    expect(of('inbox')).toMatchObject([
      { index: 1, id: `${EPOCH}.1025.1`, from: 'bob', channel: 'chat', sentAt: 1_001, text: 'hello' },
      { index: 2, id: `${EPOCH}.1025.2`, from: 'bob', channel: 'chat', sentAt: 1_001, text: 'hé' }
    ])
    expect(of('clients')).toMatchObject([{ value: { client: 'c', answeredThrough: 4 } }])
  })

  it('leaves the store as it is, and nothing beside it', async () => {
    await store.batch([received(1, [bytes('hello')])], { sync: true })
    await store.close()
    const filesOf = async () =>
      Promise.all(
        (await readdir(join(stateDir, 'store')))
          // LevelDB writes what it does to LOG whenever it is asked anything.
          .filter(name => !name.startsWith('LOG'))
          .map(async name => [name, await readFile(join(stateDir, 'store', name))])
      )
    const before = await filesOf()
    await exported()
    expect(await filesOf()).toEqual(before)
    expect((await readdir(stateDir)).sort()).toEqual(['keyring', 'keyring.key', 'store'])
  })

  it('shows no key', async () => {
    await store.batch([received(1, [bytes('hello')]), lane()], { sync: true })
    await store.close()
    const keys = Buffer.from(keyBytes)
    const { lines } = await exported()
    const text = JSON.stringify(lines)
    for (let at = 0; at + 8 < keys.length; at += 8) {
      const piece = keys.subarray(at, at + 8)
      expect(text).not.toContain(piece.toString('hex'))
      expect(text).not.toContain(piece.toString('base64').slice(0, 9))
    }
  })

  it('counts what does not open, and gives the rest', async () => {
    const broken = received(2, [bytes('gone')])
    if (broken.type !== 'put') throw new TypeError('a put')
    broken.value[20] = (broken.value[20] as number) ^ 1
    const noCode = sealed('clients', bytes('x'), encode({ a: 1 }).subarray(0, 2))
    await store.batch([received(1, [bytes('one')]), broken, received(3, [bytes('three')]), noCode], { sync: true })
    await store.close()
    const { summary, lines } = await exported()
    expect(summary).toMatchObject({ messages: 2, damaged: { inbox: 1, clients: 1 }, repaired: false })
    expect(lines.map(line => line['text'])).toEqual(['one', 'three'])
  })

  it('gives queued messages without the names that a lost lane had', async () => {
    await store.batch([queued(3, [bytes('to do')])], { sync: true })
    await store.close()
    expect((await exported()).lines).toMatchObject([{ contact: null, channel: null, id: null, text: 'to do' }])
  })

  describe('of a database that does not open', () => {
    beforeEach(async () => {
      for (let index = 1; index <= RUN_COUNT; index++) {
        await store.batch([received(index, [new Uint8Array(2_000).fill(index)])], { sync: false })
        if (index === RUN_COUNT / 2) {
          // What was in the log is in a table from here on.
          await store.close()
          await store.open()
        }
      }
      await store.close()
    })

    const fileOf = async (kind: RegExp) =>
      join(stateDir, 'store', (await readdir(join(stateDir, 'store'))).find(name => kind.test(name)) as string)
    const flip = async (path: string, at: number) => {
      const content = await readFile(path)
      content[Math.floor(at * content.length)] = (content[Math.floor(at * content.length)] as number) ^ 0xff
      await writeFile(path, content)
    }

    it.each<[string, () => Promise<void>, number]>([
      ['CURRENT is gone', async () => rm(await fileOf(/^CURRENT$/)), RUN_COUNT],
      ['the manifest is gone', async () => rm(await fileOf(/^MANIFEST/)), RUN_COUNT],
      ['the manifest is empty', async () => truncate(await fileOf(/^MANIFEST/), 0), RUN_COUNT],
      ['the table is gone', async () => rm(await fileOf(/\.ldb$/)), RUN_COUNT / 2],
      ['the table is noise at its end', async () => flip(await fileOf(/\.ldb$/), 0.99999), RUN_COUNT / 2],
      ['the log is gone', async () => rm(await fileOf(/\.log$/)), RUN_COUNT / 2],
      // A block of the log is lost, and a run that began in the one before.
      ['the log has a wrong byte', async () => flip(await fileOf(/\.log$/), 0.5), RUN_COUNT - 18]
    ])('has what is left: %s', async (_name, damage, leastCount) => {
      await damage()
      await expect(store.open()).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
      const { summary, lines } = await exported()
      expect(summary).toMatchObject({ repaired: true, damaged: {} })
      expect(lines.length).toBeGreaterThanOrEqual(leastCount)
      for (const line of lines) {
        const body = Buffer.from(line['body'] as string, 'base64')
        expect(body.equals(Buffer.alloc(2_000, line['index'] as number))).toBe(true)
      }
      expect((await readdir(stateDir)).sort()).toEqual(['keyring', 'keyring.key', 'store'])
    })
  })

  it('is refused while a daemon has the store, without a store, and without its keys', async () => {
    await expect(exported()).rejects.toMatchObject({ code: 'ALREADY_RUNNING' })
    await store.close()
    await rm(join(stateDir, 'keyring'))
    await expect(exported()).rejects.toMatchObject({ code: 'KEYRING_MISSING' })
    expect((await readdir(stateDir)).sort()).toEqual(['keyring.key', 'store'])
    const empty = join(stateDir, 'empty')
    await mkdir(empty)
    await expect(exportStore({ stateDir: empty }, async () => {})).rejects.toMatchObject({ code: 'NOT_INITIALIZED' })
    expect((await stat(empty)).isDirectory()).toBe(true)
  })

  it('reads a store from before anything was sealed', async () => {
    const old = await mkdtemp(join(tmpdir(), 'parley-export-old-'))
    const oldStore = new LevelStore(join(old, 'store'))
    await oldStore.open()
    await oldStore.batch([put('peers', bytes('contact/abcdefghijklmnop'), encodeContact(contact))], { sync: true })
    await oldStore.close()
    const lines: ExportLine[] = []
    expect(await exportStore({ stateDir: old }, async line => void lines.push(line))).toMatchObject({
      lines: 1,
      damaged: {}
    })
    expect(lines).toMatchObject([{ name: 'Bob', card: formatCard(bob) }])
    await rm(old, { recursive: true })
  })
})
