import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ErrorCode } from '@parley/client-sdk/contract'
import { DaemonError } from './errors.ts'
import { hexOf } from './identity/fields.ts'
import { systemRandomBytes } from './random.ts'

const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const OTHERS_MASK = 0o077
const FILE_BYTES_MAX = 65_536

/** What is said of a file of keys that is not as it must be. */
export interface PrivateFileCodes {
  /** What the file is, for messages: "a keyring". */
  readonly kind: string
  readonly missing: ErrorCode
  readonly invalid: ErrorCode
  readonly exists: ErrorCode
  /** The longest file that is read, 64 KiB unless told. */
  readonly lengthBytesMax?: number
  /** Whether the file may be open to others: its folder keeps them out. */
  readonly anyMode?: boolean
}

/**
 * Reads a file of keys that is its owner's alone. The caller wipes the bytes.
 *
 * @throws {DaemonError} `codes.missing`; `KEYRING_MODE` others may read or write it, with the command that mends it; `codes.invalid` too
 * large, no file, or unreadable
 */
export async function readPrivateFile(path: string, codes: PrivateFileCodes): Promise<Uint8Array> {
  try {
    await using file = await open(path, constants.O_RDONLY)
    const stat = await file.stat()
    if ((stat.mode & OTHERS_MASK) !== 0 && codes.anyMode !== true) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
      throw new DaemonError('KEYRING_MODE', `${path} has mode ${mode}. Run: chmod 600 ${quoted(path)}`)
    }
    if (!stat.isFile() || stat.size > (codes.lengthBytesMax ?? FILE_BYTES_MAX))
      throw new DaemonError(codes.invalid, `${path} is not ${codes.kind}.`)
    const content = await file.readFile()
    // A Buffer's `slice` is a view, which wiping would empty.
    return new Uint8Array(content.buffer, content.byteOffset, content.length)
  } catch (error) {
    if (error instanceof DaemonError) throw error
    if (codeOf(error) === 'ENOENT') throw new DaemonError(codes.missing, `There is no ${path}.`, { cause: error })
    throw new DaemonError(codes.invalid, `${path} cannot be read: ${codeOf(error)}.`, { cause: error })
  }
}

/**
 * Writes a file of keys, mode 0600, whole or not at all: a temporary file beside it, synced, is put in its place, and the folder is
 * synced. The folder is made (0700) where it is missing.
 *
 * @param bytes - not kept; the caller wipes them
 * @param how - `create` never touches a file that is there already; `replace` puts the new one in its place
 * @throws {DaemonError} `codes.exists`; `STORE_UNAVAILABLE` when it cannot be written
 */
export async function writePrivateFile(
  path: string,
  bytes: Uint8Array,
  how: 'create' | 'replace',
  codes: PrivateFileCodes
): Promise<void> {
  const folder = dirname(path)
  const temporary = `${path}.${hexOf(systemRandomBytes(8))}.new`
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
    throw writeError(error, path, codes)
  }
}

/** Removes a file, synced. One that is not there is as good. @throws {DaemonError} `STORE_UNAVAILABLE` */
export async function removePrivateFile(path: string): Promise<void> {
  try {
    await rm(path)
    await syncFolder(dirname(path))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw new DaemonError('STORE_UNAVAILABLE', `${path} cannot be removed: ${codeOf(error)}.`, { cause: error })
  }
}

/** Renames a file or a folder within one folder, synced. @throws {DaemonError} `STORE_UNAVAILABLE` */
export async function moveSynced(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
    await syncFolder(dirname(to))
  } catch (error) {
    throw new DaemonError('STORE_UNAVAILABLE', `${from} cannot be moved to ${to}: ${codeOf(error)}.`, { cause: error })
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

function writeError(error: unknown, path: string, codes: PrivateFileCodes): DaemonError {
  // `mkdir` says EEXIST too, of a file in the folder's place.
  if (codeOf(error) === 'EEXIST' && (error as NodeJS.ErrnoException).syscall === 'link') {
    return new DaemonError(codes.exists, `There is ${codes.kind} already: ${path}`, { cause: error })
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
