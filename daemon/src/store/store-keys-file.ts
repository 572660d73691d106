import { DaemonError } from '../errors.ts'
import { type PrivateFileCodes, readPrivateFile, writePrivateFile } from '../private-file.ts'
import type { RandomBytes } from '../random.ts'
import type { Store } from './port.ts'
import { isSealed } from './sealed.ts'
import { createStoreKeys, decodeStoreKeys, type StoreKeys } from './store-keys.ts'

const CODES: PrivateFileCodes = {
  kind: 'a file of store keys',
  missing: 'STORE_KEYS_MISSING',
  invalid: 'STORE_KEYS_INVALID',
  exists: 'ALREADY_INITIALIZED'
}

/**
 * Reads the file of the store's keys.
 *
 * @throws {DaemonError} `STORE_KEYS_MISSING`; `KEYRING_MODE` others may read or write it, with the command that mends it;
 * `STORE_KEYS_INVALID` damaged, of an unknown version, or unreadable
 */
export async function loadStoreKeys(path: string): Promise<StoreKeys> {
  const bytes = await readPrivateFile(path, CODES)
  try {
    return decodeStoreKeys(bytes)
  } finally {
    bytes.fill(0)
  }
}

/**
 * The keys of an open store, made where it has sealed nothing yet. They are on disk before anything is sealed with them. Where something
 * is sealed and the file is gone, that is said, since other keys would open nothing.
 *
 * @throws {DaemonError} those of {@link loadStoreKeys}; `STORE_UNAVAILABLE`
 */
export async function loadOrMakeStoreKeys(path: string, store: Store, randomBytes: RandomBytes): Promise<StoreKeys> {
  try {
    return await loadStoreKeys(path)
  } catch (cause) {
    if (!(cause instanceof DaemonError) || cause.code !== 'STORE_KEYS_MISSING') throw cause
    if (isSealed(store)) {
      const message = `${path} is gone, and the store holds records that only its keys open: restore it from a backup.`
      throw new DaemonError('STORE_KEYS_MISSING', message, { cause })
    }
  }
  const keys = createStoreKeys(randomBytes)
  const bytes = keys.encode()
  try {
    await writePrivateFile(path, bytes, 'create', CODES)
  } finally {
    bytes.fill(0)
  }
  return keys
}
