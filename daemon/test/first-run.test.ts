import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../src/actor/virtual-clock.ts'
import { loadOrMakeIdentity, makeIdentity, type StoreMarks } from '../src/first-run.ts'
import { joinBytes, lengthPrefixed, textBytes, u64Bytes } from '../src/identity/fields.ts'
import type { Keyring } from '../src/identity/keyring.ts'
import { keyringKeyPath, keyringPath } from '../src/identity/keyring-file.ts'
import { storeKeysPath } from '../src/identity/keyring-v1.ts'
import { NO_PASSPHRASE } from '../src/identity/passphrase.ts'
import { seededRandomBytes } from '../src/random.ts'
import { codeOf, identityNamed } from './identity/identities.ts'

const ada = identityNamed('ada')
const USED: StoreMarks = { hasContacts: true, isSealed: true }
const FRESH: StoreMarks = { hasContacts: false, isSealed: false }

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'parley-first-'))
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const options = () => ({
  stateDir,
  id: 'fresh',
  clock: new VirtualClock(),
  randomBytes: seededRandomBytes('first run'),
  passphrase: NO_PASSPHRASE
})
const load = (marks: StoreMarks) => loadOrMakeIdentity({ ...options(), ...marks })

function labelled(label: string, body: Uint8Array): Uint8Array {
  return joinBytes(textBytes(label), new Uint8Array(createHash('sha256').update(body).digest()), body)
}

/** A home as the first version left it. */
function writeV1({ keyring = true, storeKeys = true } = {}): void {
  const identity = [
    ...[textBytes(ada.id), u64Bytes(ada.createdAt), ada.lineage, ada.identityKey().toBytes()],
    ...[ada.nodeSeed(), ada.boxSeed()]
  ]
  const write = (path: string, bytes: Uint8Array): void => writeFileSync(path, bytes, { mode: 0o600 })
  if (keyring) write(keyringPath(stateDir), labelled('parley/keyring/v1\0', joinBytes(...identity.map(lengthPrefixed))))
  if (storeKeys) write(storeKeysPath(stateDir), labelled('parley/store-keys/v1\0', ada.storeKeys.encode()))
}

function expectAda(keyring: Keyring): void {
  expect([keyring.id, keyring.nodeId, keyring.fingerprint]).toEqual([ada.id, ada.nodeId, ada.fingerprint])
  expect([keyring.boxKey, keyring.createdAt]).toEqual([ada.boxKey, ada.createdAt])
}

describe('a home of the first version', () => {
  it('gets one keyring with the keys of its store in it, and stays so', async () => {
    writeV1()
    const { keyring } = await load(USED)
    expectAda(keyring)
    expect(keyring.storeKeys.encode()).toEqual(ada.storeKeys.encode())
    expect(readdirSync(stateDir).sort()).toEqual(['keyring', 'keyring.key'])
    expect((await load(USED)).keyring.encode()).toEqual(keyring.encode())
  })

  it('is upgraded by the next start where one was cut short, wherever that was', async () => {
    writeV1()
    // Before the keyring was written.
    writeFileSync(keyringKeyPath(stateDir), new Uint8Array(32).fill(9), { mode: 0o600 })
    const { keyring } = await load(USED)
    expect(keyring.storeKeys.encode()).toEqual(ada.storeKeys.encode())
    // After it, and before the old file was removed.
    writeV1({ keyring: false })
    expect((await load(USED)).keyring.encode()).toEqual(keyring.encode())
    expect(existsSync(storeKeysPath(stateDir))).toBe(false)
  })

  it('that never sealed anything gets store keys', async () => {
    writeV1({ storeKeys: false })
    const { keyring } = await load({ hasContacts: true, isSealed: false })
    expectAda(keyring)
  })

  it('is left as it is where a file is gone, damaged, or open to others', async () => {
    writeV1({ storeKeys: false })
    expect(await codeOf(() => load(USED))).toBe('STORE_KEYS_MISSING')
    writeFileSync(storeKeysPath(stateDir), 'parley/store-keys/v1\0', { mode: 0o600 })
    expect(await codeOf(() => load(USED))).toBe('STORE_KEYS_INVALID')
    chmodSync(storeKeysPath(stateDir), 0o640)
    expect(await codeOf(() => load(USED))).toBe('KEYRING_MODE')
    expect(readdirSync(stateDir).sort()).toEqual(['keyring', 'store-keys'])
    rmSync(storeKeysPath(stateDir))
    writeV1()
    expectAda((await load(USED)).keyring)
  })
})

describe('an identity', () => {
  it('is made where there is none, by whoever comes first, and once', async () => {
    const { keyring } = await load(FRESH)
    expect(keyring.id).toBe('fresh')
    expect(await codeOf(() => makeIdentity(options()))).toBe('ALREADY_INITIALIZED')
    expect((await load(FRESH)).keyring.encode()).toEqual(keyring.encode())
  })

  it('is not made anew where the store shows that one was lost', async () => {
    for (const marks of [USED, { ...FRESH, hasContacts: true }, { ...FRESH, isSealed: true }]) {
      expect(await codeOf(() => load(marks))).toBe('KEYRING_MISSING')
    }
    expect(readdirSync(stateDir)).toEqual([])
  })
})
