/**
 * The keyring file of a state directory, `keyring`:
 *
 *     "parley/keyring/v2\0"
 *     digest    32 bytes: SHA-256 of everything after it, which tells damage from a wrong passphrase
 *     lp(lock)  empty: the key lies in `keyring.key`, 32 bytes; else a Secure Cell (passphrase) of that key
 *     cell      Secure Cell (Seal) of the content, by the key, with the label and lp(lock) as its context
 *
 * Both files have mode 0600. The first version, and the file of store keys that lay beside it, are read by `keyring-v1.ts`.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { type PrivateFileCodes, readPrivateFile, removePrivateFile, writePrivateFile } from '../private-file.ts'
import type { RandomBytes } from '../random.ts'
import { FieldReader, joinBytes, lengthPrefixed, sameBytes, textBytes } from './fields.ts'
import { damagedKeyring, decodeKeyring, type Keyring } from './keyring.ts'
import { KeyringHolder } from './keyring-holder.ts'
import { KEYRING_KEY_BYTES, KeyringLock, lockWithPassphrase, unlockWithPassphrase } from './keyring-lock.ts'
import { decodeKeyringV1, isKeyringV1, type KeyringV1 } from './keyring-v1.ts'
import type { PassphraseSource } from './passphrase.ts'

const LABEL = textBytes('parley/keyring/v2\0')
const ANY_VERSION = textBytes('parley/keyring/v')
const DIGEST_BYTES = 32
const LOCK_BYTES_MAX = 1_024
const FILE_BYTES_MAX = 2 * 1024 * 1024

const KEYRING_CODES: PrivateFileCodes = {
  kind: 'a keyring',
  missing: 'NOT_INITIALIZED',
  invalid: 'KEYRING_INVALID',
  exists: 'ALREADY_INITIALIZED',
  lengthBytesMax: FILE_BYTES_MAX
}
const KEY_CODES: PrivateFileCodes = {
  kind: 'the key of a keyring',
  missing: 'KEYRING_KEY_MISSING',
  invalid: 'KEYRING_KEY_INVALID',
  exists: 'ALREADY_INITIALIZED'
}

/** An open keyring, and what it is sealed by. */
export interface UnlockedKeyring {
  readonly keyring: Keyring
  readonly lock: KeyringLock
}

/** Where the keyring of a state directory lies. */
export function keyringPath(stateDir: string): string {
  return join(stateDir, 'keyring')
}

/** Where the key of the keyring lies, unless a passphrase seals it. */
export function keyringKeyPath(stateDir: string): string {
  return join(stateDir, 'keyring.key')
}

/**
 * Reads the keyring of a state directory and leaves everything as it is.
 *
 * @returns one of the first version as it is
 * @throws {DaemonError} `NOT_INITIALIZED` there is none; `KEYRING_MODE` others may read or write it or its key, with the command that mends
 * it; `KEYRING_INVALID` damaged or cut off; `KEYRING_NEWER`; `PASSPHRASE_REQUIRED` `PASSPHRASE_WRONG`; `KEYRING_KEY_MISSING`
 * `KEYRING_KEY_INVALID`; and those of the source
 */
export async function readKeyring(stateDir: string, source: PassphraseSource): Promise<UnlockedKeyring | KeyringV1> {
  const bytes = await readPrivateFile(keyringPath(stateDir), KEYRING_CODES)
  if (isKeyringV1(bytes)) return decodeKeyringV1(bytes)
  const { lockBytes, cell, context } = takeApart(bytes)
  const lock = lockBytes.length === 0 ? await lockOfFile(stateDir) : await askedLock(lockBytes, source)
  const content = lock.open(cell, context)
  if (content === undefined) {
    // The digest holds: the file is as it was written, and the key is another.
    if (lock.hasPassphrase) throw damagedKeyring()
    throw new DaemonError('KEYRING_KEY_INVALID', `${keyringKeyPath(stateDir)} is not the key of this keyring.`)
  }
  try {
    return { keyring: decodeKeyring(content), lock }
  } finally {
    content.fill(0)
  }
}

function takeApart(bytes: Uint8Array): { lockBytes: Uint8Array; cell: Uint8Array; context: Uint8Array } {
  const version = bytes.subarray(0, LABEL.length)
  if (!sameBytes(version, LABEL)) throw isOfOtherVersion(bytes) ? newer() : damagedKeyring()
  const reader = new FieldReader(bytes, damagedKeyring)
  reader.expect(LABEL)
  const digest = reader.raw(DIGEST_BYTES)
  const rest = bytes.subarray(LABEL.length + DIGEST_BYTES)
  if (!sameBytes(digest, digestOf(rest))) throw damagedKeyring()
  const lockBytes = reader.field(0, LOCK_BYTES_MAX)
  const prefixed = lengthPrefixed(lockBytes)
  return { lockBytes, cell: rest.subarray(prefixed.length), context: joinBytes(LABEL, prefixed) }
}

/** A whole label of another number, and not a damaged one. */
function isOfOtherVersion(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, LABEL.length + 3)).toString('latin1')
  return /^parley\/keyring\/v(?:[3-9]|[1-9]\d{1,3})\0/.test(start) && ANY_VERSION.length < bytes.length
}

async function lockOfFile(stateDir: string): Promise<KeyringLock> {
  const path = keyringKeyPath(stateDir)
  const key = await readPrivateFile(path, KEY_CODES)
  if (key.length !== KEYRING_KEY_BYTES) throw new DaemonError('KEYRING_KEY_INVALID', `${path} has not 32 bytes.`)
  return new KeyringLock(new Uint8Array(key))
}

async function askedLock(lockBytes: Uint8Array, source: PassphraseSource): Promise<KeyringLock> {
  const passphrase = (await source.given()) ?? (await source.prompt())
  if (passphrase === undefined) {
    throw new DaemonError('PASSPHRASE_REQUIRED', 'The keyring is sealed by a passphrase, and none was given.')
  }
  try {
    return await unlockWithPassphrase(passphrase, lockBytes)
  } finally {
    passphrase.fill(0)
  }
}

/** A lock by `passphrase`; or, where that is undefined, by the key file of the directory, made where it is missing. */
export async function makeLock(
  stateDir: string,
  passphrase: Uint8Array | undefined,
  randomBytes: RandomBytes
): Promise<KeyringLock> {
  if (passphrase !== undefined) return lockWithPassphrase(passphrase, randomBytes)
  const key = randomBytes(KEYRING_KEY_BYTES)
  try {
    await writePrivateFile(keyringKeyPath(stateDir), key, 'create', KEY_CODES)
  } catch (error) {
    // Another may be making the same home, or a start was cut: who is first seals with it, and nothing is lost by sharing it.
    if (!(error instanceof DaemonError) || error.code !== 'ALREADY_INITIALIZED') throw error
  }
  return lockOfFile(stateDir)
}

/**
 * Writes the keyring file, whole or not at all, synced.
 *
 * @param how - `create` never touches a keyring that is there already; `replace` puts the new one in its place
 * @throws {DaemonError} `ALREADY_INITIALIZED`; `STORE_UNAVAILABLE` when it cannot be written
 */
export async function saveKeyring(
  stateDir: string,
  { keyring, lock }: UnlockedKeyring,
  how: 'create' | 'replace',
  randomBytes: RandomBytes
): Promise<void> {
  const content = keyring.encode()
  try {
    const prefixed = lengthPrefixed(lock.sealedKey)
    const body = joinBytes(prefixed, lock.seal(content, randomBytes, joinBytes(LABEL, prefixed)))
    await writePrivateFile(keyringPath(stateDir), joinBytes(LABEL, digestOf(body), body), how, KEYRING_CODES)
  } finally {
    content.fill(0)
  }
}

/** The holder of an open keyring, which writes each change to its file. */
export function heldInFile(stateDir: string, unlocked: UnlockedKeyring, randomBytes: RandomBytes): KeyringHolder {
  const { keyring, lock } = unlocked
  return new KeyringHolder(keyring, changed =>
    saveKeyring(stateDir, { keyring: changed, lock }, 'replace', randomBytes)
  )
}

/**
 * Seals a keyring anew: by `passphrase`, or by a new key file where that is undefined. Cut at any point, the keyring opens by the old or
 * by the new way. No daemon may run, which would write it as it was.
 *
 * @throws {DaemonError} `STORE_UNAVAILABLE`
 */
export async function changeLock(
  stateDir: string,
  keyring: Keyring,
  passphrase: Uint8Array | undefined,
  randomBytes: RandomBytes
): Promise<void> {
  if (passphrase === undefined) {
    // A key that is there already may have been seen while it sealed nothing.
    await removePrivateFile(keyringKeyPath(stateDir))
    await saveKeyring(
      stateDir,
      { keyring, lock: await makeLock(stateDir, undefined, randomBytes) },
      'replace',
      randomBytes
    )
    return
  }
  const lock = await makeLock(stateDir, passphrase, randomBytes)
  await saveKeyring(stateDir, { keyring, lock }, 'replace', randomBytes)
  await removePrivateFile(keyringKeyPath(stateDir))
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function newer(): DaemonError {
  return new DaemonError('KEYRING_NEWER', 'The keyring was written by a newer version.')
}
