import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from './errors.ts'
import { finishImport, importFolder, loadIdentity, type NewIdentityOptions } from './first-run.ts'
import { BACKUP_BYTES_MAX, type Backup, type BackupRecord, openBackup, sealBackup } from './identity/backup.ts'
import { createOtherKeys, Keyring } from './identity/keyring.ts'
import {
  changeLock,
  keyringPath,
  makeLock,
  readKeyring,
  saveKeyring,
  type UnlockedKeyring
} from './identity/keyring-file.ts'
import { OWN_CARD_KEY } from './identity/own-card.ts'
import type { PassphraseSource } from './identity/passphrase.ts'
import { type PrivateFileCodes, readPrivateFile, writePrivateFile } from './private-file.ts'
import { CONTACT_KEY_PREFIX } from './store/contact-key.ts'
import { LevelStore } from './store/level.ts'
import { migrate, schemaSteps, schemaWrite } from './store/migrations.ts'
import type { Store, StoreWrite } from './store/port.ts'
import { isPlainRecord, isSealed, openSealer } from './store/sealed.ts'

/** What can be done with the identity of a home while no daemon runs in it. */
export type HomeOptions = Omit<NewIdentityOptions, 'id'>

/** An identity as it lies in its home. */
export interface IdentityOnDisk {
  readonly keyring: Keyring
  readonly sealedBy: 'passphrase' | 'key-file' | 'nothing'
}

const BACKUP_CODES: PrivateFileCodes = {
  kind: 'a backup',
  missing: 'BACKUP_INVALID',
  invalid: 'BACKUP_INVALID',
  exists: 'ALREADY_INITIALIZED',
  lengthBytesMax: BACKUP_BYTES_MAX,
  // Whoever else may read it lacks its passphrase.
  anyMode: true
}

/** Reads the identity of a home, whether a daemon runs or not, and changes nothing. @throws {DaemonError} as `readKeyring` */
export async function readIdentity({ stateDir, passphrase, randomBytes }: HomeOptions): Promise<IdentityOnDisk> {
  const read = await readKeyring(stateDir, passphrase)
  if ('identity' in read) {
    return { keyring: new Keyring({ ...read.identity, ...createOtherKeys(randomBytes) }), sealedBy: 'nothing' }
  }
  return { keyring: read.keyring, sealedBy: read.lock.hasPassphrase ? 'passphrase' : 'key-file' }
}

/**
 * Seals the keyring by another passphrase, or by a key file where that is undefined.
 *
 * @param newPassphrase - asked once the keyring is open; not kept
 * @throws {DaemonError} `ALREADY_RUNNING`, and those of `readKeyring`
 */
export async function changePassphrase(
  options: HomeOptions,
  newPassphrase: () => Promise<Uint8Array | undefined>
): Promise<IdentityOnDisk> {
  return alone(options, async (_store, { keyring }) => {
    const passphrase = await newPassphrase()
    await changeLock(options.stateDir, keyring, passphrase, options.randomBytes)
    return { keyring, sealedBy: passphrase === undefined ? 'key-file' : 'passphrase' }
  })
}

/**
 * Writes a backup of the identity, its keys and contacts, to a new file of its owner's alone.
 *
 * @returns how many contacts are in it
 * @throws {DaemonError} `ALREADY_RUNNING`; `STORE_UNAVAILABLE` where it cannot be written; those of `readKeyring`
 */
export async function exportIdentity(
  options: HomeOptions,
  file: string,
  backupPassphrase: () => Promise<Uint8Array>
): Promise<{ readonly keyring: Keyring; readonly contacts: number }> {
  return alone(options, async (store, { keyring }) => {
    const kept = store === undefined ? { schema: 0, records: [] } : await recordsOf(store, keyring, options)
    const passphrase = await backupPassphrase()
    const bytes = await sealBackup({ keyring, ...kept }, passphrase, options.randomBytes)
    passphrase.fill(0)
    await writePrivateFile(file, bytes, 'create', { ...BACKUP_CODES, exists: 'FILE_FAILED' })
    return { keyring, contacts: contactCount(kept.records) }
  })
}

/**
 * Puts the identity of a backup into an empty home. Cut at any point, the home is empty still or has all of it.
 *
 * @throws {DaemonError} `ALREADY_INITIALIZED` `BACKUP_INVALID` `BACKUP_NEWER` `PASSPHRASE_WRONG` `STORE_UNAVAILABLE`
 */
export async function importIdentity(
  options: HomeOptions,
  file: string,
  backupPassphrase: () => Promise<Uint8Array>
): Promise<{ readonly keyring: Keyring; readonly contacts: number }> {
  const { stateDir, randomBytes, passphrase } = options
  assertEmpty(stateDir)
  const bytes = await readPrivateFile(file, BACKUP_CODES)
  const backup = await openBackup(bytes, await backupPassphrase())
  const { keyring, records } = backup
  try {
    await fillStore(stateDir, backup, options)
    const lock = await givenLock(options, passphrase)
    assertEmpty(stateDir)
    await saveKeyring(stateDir, { keyring, lock }, 'create', randomBytes)
  } catch (error) {
    await rm(importFolder(stateDir), { recursive: true, force: true })
    throw error
  }
  await finishImport(stateDir)
  return { keyring, contacts: contactCount(records) }
}

function contactCount(records: readonly BackupRecord[]): number {
  const prefix = Buffer.from(CONTACT_KEY_PREFIX)
  const isContact = ({ sublevel, key }: BackupRecord): boolean =>
    sublevel === 'peers' && prefix.compare(key.subarray(0, prefix.length)) === 0
  return records.filter(isContact).length
}

function assertEmpty(stateDir: string): void {
  for (const path of [keyringPath(stateDir), join(stateDir, 'store')]) {
    if (existsSync(path)) throw new DaemonError('ALREADY_INITIALIZED', `The home is not empty: there is ${path}.`)
  }
}

async function givenLock(
  { stateDir, randomBytes }: HomeOptions,
  source: PassphraseSource
): Promise<UnlockedKeyring['lock']> {
  const passphrase = await source.given()
  try {
    return await makeLock(stateDir, passphrase, randomBytes)
  } finally {
    passphrase?.fill(0)
  }
}

/** Makes the store beside where it belongs: without its keyring it must not lie there. */
async function fillStore(stateDir: string, { keyring, schema, records }: Backup, options: HomeOptions): Promise<void> {
  const folder = importFolder(stateDir)
  await rm(folder, { recursive: true, force: true })
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const store = new LevelStore(folder)
  await store.open()
  try {
    const { randomBytes } = options
    const sealer = await openSealer({ store, keys: keyring.storeKeys, randomBytes })
    const writes = records.map(({ sublevel, key, content }): StoreWrite => {
      return { type: 'put', sublevel, key, value: sealer.seal(sublevel, key, content) }
    })
    await store.batch(schema === 0 ? writes : [schemaWrite(schema), ...writes], { sync: true })
    await migrate(store, schemaSteps(sealer)).catch((cause: unknown) => {
      if (!(cause instanceof DaemonError) || cause.code !== 'STORE_NEWER') throw cause
      throw new DaemonError('BACKUP_NEWER', 'The backup was written by a newer version.', { cause })
    })
  } finally {
    await store.close()
  }
}

/** The contacts and the own card, opened. */
async function recordsOf(
  store: Store,
  keyring: Keyring,
  { randomBytes }: HomeOptions
): Promise<{ schema: number; records: BackupRecord[] }> {
  const sealer = await openSealer({ store, keys: keyring.storeKeys, randomBytes })
  const { to: schema } = await migrate(store, schemaSteps(sealer))
  const records: BackupRecord[] = []
  for (const sublevel of ['meta', 'peers'] as const) {
    for await (const { key, value } of store.range(sublevel)) {
      const isWanted = sublevel === 'peers' || Buffer.compare(key, OWN_CARD_KEY) === 0
      if (isWanted && !isPlainRecord(sublevel, key)) {
        records.push({ sublevel, key, content: sealer.open(sublevel, key, value) })
      }
    }
  }
  return { schema, records }
}

/** Runs `work` with the keyring open and the store locked against a daemon; the store is undefined where there is none that opens. */
async function alone<T>(
  options: HomeOptions,
  work: (store: Store | undefined, unlocked: UnlockedKeyring) => Promise<T>
): Promise<T> {
  const { stateDir } = options
  await finishImport(stateDir)
  const store = existsSync(join(stateDir, 'store')) ? new LevelStore(join(stateDir, 'store')) : undefined
  try {
    await store?.open()
  } catch (cause) {
    if (!(cause instanceof DaemonError) || cause.code !== 'STORE_LOCKED') throw cause
    throw new DaemonError('ALREADY_RUNNING', 'A daemon has this home: stop it first.', { cause })
  }
  try {
    const marks = { hasContacts: false, isSealed: store !== undefined && isSealed(store) }
    return await work(store, await loadIdentity({ ...options, ...marks }))
  } finally {
    await store?.close()
  }
}
