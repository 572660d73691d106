import { type PrivateFileCodes, readPrivateFile, writePrivateFile } from '../private-file.ts'
import { decodeKeyring, type Keyring } from './keyring.ts'

const CODES: PrivateFileCodes = {
  kind: 'a keyring',
  missing: 'NOT_INITIALIZED',
  invalid: 'KEYRING_INVALID',
  exists: 'ALREADY_INITIALIZED'
}

/**
 * Reads the keyring file.
 *
 * @throws {DaemonError} `NOT_INITIALIZED` there is none; `KEYRING_MODE` others may read or write it, with the command that mends it;
 * `KEYRING_INVALID` damaged, of an unknown version, or unreadable
 */
export async function loadKeyring(path: string): Promise<Keyring> {
  const bytes = await readPrivateFile(path, CODES)
  try {
    return decodeKeyring(bytes)
  } finally {
    bytes.fill(0)
  }
}

/**
 * Writes the keyring file as {@link writePrivateFile} does.
 *
 * @param how - `create` never touches a keyring that is there already; `replace` puts the new one in its place
 * @throws {DaemonError} `ALREADY_INITIALIZED`; `STORE_UNAVAILABLE` when it cannot be written
 */
export async function saveKeyring(path: string, keyring: Keyring, how: 'create' | 'replace'): Promise<void> {
  const bytes = keyring.encode()
  try {
    await writePrivateFile(path, bytes, how, CODES)
  } finally {
    bytes.fill(0)
  }
}
