import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'

// LevelDB passes over some damage in silence: without `CURRENT` it begins anew and deletes what it does not know, a log that is gone is
// not missed, and of a log with a wrong checksum the rest of the block is left out and what comes after it is applied. `classic-level`
// has no option for its paranoid checks. Layouts: LevelDB doc/log_format.md, doc/impl.md, util/crc32c.h.

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const LAST = 4

/**
 * Looks through the files of a database that nobody has open, before LevelDB does. An end that was cut off is no damage: so a crash
 * leaves what was not synced.
 *
 * @throws {DaemonError} `STORE_DAMAGED`, saying which file; errors of the file system as they are
 */
export async function assertWhole(directory: string): Promise<void> {
  const files = await filesIn(directory)
  const logs = files.filter(file => /^\d+\.log$/.test(file))
  if (!files.includes('CURRENT')) {
    // Before the first `CURRENT` there is neither a log nor a table.
    if (logs.length > 0 || files.some(file => /^\d+\.(ldb|sst)$/.test(file))) throw damaged('CURRENT is gone')
    return
  }
  const manifest = (await readFile(join(directory, 'CURRENT'), 'latin1')).trimEnd()
  if (!/^MANIFEST-\d+$/.test(manifest) || !files.includes(manifest))
    throw damaged('the file that CURRENT names is gone')
  // The first manifest is older than the first log; each later one is younger than a log.
  if (logs.length === 0 && Number(manifest.slice('MANIFEST-'.length)) > 1) throw damaged('the log is gone')
  for (const log of logs) {
    const bytes = await readIfThere(join(directory, log))
    if (bytes !== undefined && !isWholeLog(bytes)) throw damaged(`${log} does not match its checksums`)
  }
}

/** Whether a log is whole up to its end, which may be cut off. */
export function isWholeLog(log: Uint8Array): boolean {
  let isInside = false
  let isCut = false
  for (let start = 0; start < log.length; start += BLOCK_BYTES) {
    const block = log.subarray(start, start + BLOCK_BYTES)
    let offset = 0
    while (!isCut && block.length - offset >= HEADER_BYTES) {
      const fragment = fragmentAt(block, offset)
      if (fragment === undefined) {
        isCut = true
        break
      }
      const begins = fragment.type === FULL || fragment.type === FIRST
      if (begins === isInside) return false
      isInside = fragment.type !== FULL && fragment.type !== LAST
      offset += HEADER_BYTES + fragment.lengthBytes
    }
    if (isCut && holdsFragment(block, offset)) return false
  }
  return true
}

/** Whether a fragment begins anywhere from `from` on: the length of a bad one cannot be believed. */
function holdsFragment(block: Uint8Array, from: number): boolean {
  for (let offset = from; block.length - offset >= HEADER_BYTES; offset++) {
    if (fragmentAt(block, offset) !== undefined) return true
  }
  return false
}

/** The fragment at `offset` of a block, if there is a whole one with the right checksum. */
function fragmentAt(
  block: Uint8Array,
  offset: number
): { readonly type: number; readonly lengthBytes: number } | undefined {
  const view = new DataView(block.buffer, block.byteOffset + offset)
  const lengthBytes = view.getUint16(4, true)
  const type = view.getUint8(6)
  const end = offset + HEADER_BYTES + lengthBytes
  if (type < FULL || type > LAST || end > block.length) return undefined
  const isRight = unmasked(view.getUint32(0, true)) === crc32c(block.subarray(offset + HEADER_BYTES - 1, end))
  return isRight ? { type, lengthBytes } : undefined
}

/** LevelDB stores checksums rotated and with a number added, so that the checksum of data with checksums in it is sound. */
function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C (Castagnoli), RFC 3720 B.4. Node's own is another polynomial. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (CRC32C_TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

async function filesIn(directory: string): Promise<readonly string[]> {
  return (await ifThere(readdir(directory))) ?? []
}

/** The bytes of a file, or undefined: another process that has the database may have deleted it, and is met at the lock. */
function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return ifThere(readFile(path))
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function damaged(detail: string): DaemonError {
  return new DaemonError('STORE_DAMAGED', `the database is damaged: ${detail}`)
}
