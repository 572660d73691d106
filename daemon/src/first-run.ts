import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Clock } from './actor/clock.ts'
import { DaemonError } from './errors.ts'
import { createIdentity, createOtherKeys, Keyring } from './identity/keyring.ts'
import {
  keyringKeyPath,
  keyringPath,
  makeLock,
  readKeyring,
  saveKeyring,
  type UnlockedKeyring
} from './identity/keyring-file.ts'
import { type KeyringV1, readStoreKeysV1, storeKeysPath } from './identity/keyring-v1.ts'
import type { PassphraseSource } from './identity/passphrase.ts'
import { moveSynced, removePrivateFile } from './private-file.ts'
import type { RandomBytes } from './random.ts'
import { createStoreKeys, type StoreKeys } from './store/store-keys.ts'

export interface NewIdentityOptions {
  /** Directory of keys and store; made (0700) where it is missing. */
  readonly stateDir: string
  /** Absent: made of the user, the host and the key. */
  readonly id?: string | undefined
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** A passphrase that is given seals a new keyring; a prompt opens one that is there. */
  readonly passphrase: PassphraseSource
}

/** What a store says of the home that it is in. */
export interface StoreMarks {
  /** Whether it has contacts, who know a key. */
  readonly hasContacts: boolean
  /** Whether records were sealed with its keys. */
  readonly isSealed: boolean
}

/**
 * Makes an identity with fresh keys.
 *
 * @throws {DaemonError} `ALREADY_INITIALIZED` `NAME_INVALID` `STORE_UNAVAILABLE`; those of the passphrase
 */
export async function makeIdentity(options: NewIdentityOptions): Promise<UnlockedKeyring> {
  const { stateDir, id, clock, randomBytes, passphrase } = options
  if (existsSync(keyringPath(stateDir))) {
    throw new DaemonError('ALREADY_INITIALIZED', `There is a keyring already: ${keyringPath(stateDir)}`)
  }
  const keyring = createIdentity({
    ...(id === undefined ? {} : { id }),
    user: userName(),
    host: hostname().split('.')[0] ?? 'host',
    now: clock.wallMs(),
    randomBytes
  })
  const lock = await givenLock(stateDir, passphrase, randomBytes)
  const made = { keyring, lock }
  // Left by an import that never got its keyring: what is in it opens no more.
  await rm(importFolder(stateDir), { recursive: true, force: true })
  await saveKeyring(stateDir, made, 'create', randomBytes)
  return made
}

/**
 * The keyring of a state directory, made where there is none yet; unless its store shows that one was lost. One of the first version is
 * written anew, with the keys of the store in it.
 *
 * @throws {DaemonError} `KEYRING_MISSING`; `STORE_KEYS_MISSING` `STORE_KEYS_INVALID` of a keyring of the first version; those of
 * {@link readKeyring} and {@link makeIdentity}
 */
export async function loadOrMakeIdentity(options: NewIdentityOptions & StoreMarks): Promise<UnlockedKeyring> {
  const { stateDir, hasContacts, isSealed } = options
  try {
    return await loadIdentity(options)
  } catch (cause) {
    if (!(cause instanceof DaemonError) || cause.code !== 'NOT_INITIALIZED') throw cause
    if (!hasContacts && !isSealed) return makeIdentity(options)
    throw new DaemonError('KEYRING_MISSING', `${keyringPath(stateDir)} is gone, and this home was in use.`, { cause })
  }
}

/** The keyring of a state directory that has one. @see loadOrMakeIdentity @throws {DaemonError} `NOT_INITIALIZED` besides */
export async function loadIdentity(options: NewIdentityOptions & StoreMarks): Promise<UnlockedKeyring> {
  const { stateDir, passphrase } = options
  const read = await readKeyring(stateDir, passphrase)
  if ('identity' in read) return upgrade(options, read)
  await removeLeftovers(stateDir, read)
  return read
}

/** Where an import makes the store, until its keyring is there. */
export function importFolder(stateDir: string): string {
  return join(stateDir, 'store.import')
}

/** Puts the store of an import that was cut short in its place. Call it before the store is opened. */
export async function finishImport(stateDir: string): Promise<void> {
  const isOver = existsSync(keyringPath(stateDir)) && !existsSync(join(stateDir, 'store'))
  if (!isOver || !existsSync(importFolder(stateDir))) return
  await moveSynced(importFolder(stateDir), join(stateDir, 'store'))
}

/**
 * Puts the two files of the first version into one, which takes the keyring's place at once; until then the old two are what counts, and
 * afterwards the keys of the store lie there for nothing.
 */
async function upgrade(options: NewIdentityOptions & StoreMarks, { identity }: KeyringV1): Promise<UnlockedKeyring> {
  const { stateDir, passphrase, randomBytes } = options
  const storeKeys = await storeKeysV1(options)
  const keyring = new Keyring({ ...identity, ...createOtherKeys(randomBytes, storeKeys) })
  const upgraded = { keyring, lock: await givenLock(stateDir, passphrase, randomBytes) }
  await saveKeyring(stateDir, upgraded, 'replace', randomBytes)
  await removePrivateFile(storeKeysPath(stateDir))
  return upgraded
}

async function storeKeysV1({ stateDir, isSealed, randomBytes }: NewIdentityOptions & StoreMarks): Promise<StoreKeys> {
  try {
    return await readStoreKeysV1(stateDir)
  } catch (cause) {
    if (!(cause instanceof DaemonError) || cause.code !== 'STORE_KEYS_MISSING') throw cause
    if (!isSealed) return createStoreKeys(randomBytes)
    const message = `${storeKeysPath(stateDir)} is gone, and the store holds records that only its keys open.`
    throw new DaemonError('STORE_KEYS_MISSING', message, { cause })
  }
}

/** What a change that was cut short had left to remove. */
async function removeLeftovers(stateDir: string, { lock }: UnlockedKeyring): Promise<void> {
  await removePrivateFile(storeKeysPath(stateDir))
  if (lock.hasPassphrase) await removePrivateFile(keyringKeyPath(stateDir))
}

async function givenLock(
  stateDir: string,
  source: PassphraseSource,
  randomBytes: RandomBytes
): Promise<UnlockedKeyring['lock']> {
  const passphrase = await source.given()
  try {
    return await makeLock(stateDir, passphrase, randomBytes)
  } finally {
    passphrase?.fill(0)
  }
}

/** The name of the user; in containers a user may have none. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'user' // `userInfo` fails where the user ID has no entry, and then there is no name to find.
  }
}
