import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DaemonError } from '../errors.ts'
import { systemRandomBytes } from '../random.ts'
import { hexOf } from './fields.ts'
import { decodeKeyring, type Keyring } from './keyring.ts'

const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const OTHERS_MASK = 0o077
const FILE_BYTES_MAX = 65_536

/**
 * Reads the keyring file.
 *
 * @throws {DaemonError} `NOT_INITIALIZED` there is none; `KEYRING_MODE` others may read or write it, with the command that mends it;
 * `KEYRING_INVALID` damaged, of an unknown version, or unreadable
 */
export async function loadKeyring(path: string): Promise<Keyring> {
  const bytes = await readPrivateFile(path)
  try {
    return decodeKeyring(bytes)
  } finally {
    bytes.fill(0)
  }
}

/**
 * Writes the keyring file, mode 0600, whole or not at all: a temporary file beside it, synced, is put in its place, and the folder is
 * synced. The folder is made (0700) where it is missing.
 *
 * @param how - `create` never touches a keyring that is there already; `replace` puts the new one in its place
 * @throws {DaemonError} `ALREADY_INITIALIZED`; `STORE_UNAVAILABLE` when it cannot be written
 */
export async function saveKeyring(path: string, keyring: Keyring, how: 'create' | 'replace'): Promise<void> {
  const folder = dirname(path)
  const temporary = `${path}.${hexOf(systemRandomBytes(8))}.new`
  const bytes = keyring.encode()
  try {
    await mkdir(folder, { recursive: true, mode: DIRECTORY_MODE })
    await writeSynced(temporary, bytes)
    // A hard link fails where the name exists; a rename would replace what is there.
    if (how === 'create') await link(temporary, path)
    else await rename(temporary, path)
    await rm(temporary, { force: true })
    await syncFolder(folder)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {
      // The first error says what is wrong; a leftover that cannot be removed has the same cause.
    })
    throw saveError(error, path)
  } finally {
    bytes.fill(0)
  }
}

async function readPrivateFile(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, constants.O_RDONLY)
    const stat = await file.stat()
    if ((stat.mode & OTHERS_MASK) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
      throw new DaemonError('KEYRING_MODE', `${path} has mode ${mode}. Run: chmod 600 ${quoted(path)}`)
    }
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX) {
      throw new DaemonError('KEYRING_INVALID', `${path} is not a keyring.`)
    }
    return await file.readFile()
  } catch (error) {
    if (error instanceof DaemonError) throw error
    if (codeOf(error) === 'ENOENT') throw new DaemonError('NOT_INITIALIZED', `There is no ${path}.`, { cause: error })
    throw new DaemonError('KEYRING_INVALID', `${path} cannot be read: ${codeOf(error)}.`, { cause: error })
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', FILE_MODE)
  // The process's umask may have taken bits away from what `open` was given.
  await file.chmod(FILE_MODE)
  await file.writeFile(bytes)
  await file.sync()
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY)
  await handle.sync()
}

function saveError(error: unknown, path: string): DaemonError {
  // `mkdir` says EEXIST too, of a file in the folder's place.
  if (codeOf(error) === 'EEXIST' && (error as NodeJS.ErrnoException).syscall === 'link') {
    return new DaemonError('ALREADY_INITIALIZED', `There is an identity already: ${path}`, { cause: error })
  }
  return new DaemonError('STORE_UNAVAILABLE', `${path} cannot be written: ${codeOf(error)}.`, { cause: error })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

/** The path as one word of a POSIX shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`
}
