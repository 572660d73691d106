import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { crc32c, unmasked } from './crc32c.ts'
import { isReadableTable } from './level-table.ts'
import { VarintReader } from './varint-reader.ts'

// LevelDB passes over some damage in silence: without `CURRENT` it begins anew and deletes what it does not know, a log that is gone is
// not missed, of a log with a wrong checksum the rest of the block is left out and what comes after it is applied, and the checksums of
// tables are not looked at. `classic-level` has no option for any of it.
// Layouts: LevelDB doc/log_format.md, doc/impl.md, db/version_edit.cc.

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const LAST = 4

/**
 * Looks through the files of a database that nobody has open (the files of one that is open change while they are read), before LevelDB does. A log whose end was cut off is no damage: so a crash
 * leaves what was not synced.
 *
 * @throws {DaemonError} `STORE_DAMAGED`, saying which file; errors of the file system as they are
 */
export async function assertWhole(directory: string): Promise<void> {
  const files = (await ifThere(readdir(directory))) ?? []
  const logs = files.filter(file => /^\d+\.log$/.test(file))
  const tables = files.filter(file => /^\d+\.(ldb|sst)$/.test(file))
  const current = files.includes('CURRENT') ? await ifThere(readFile(join(directory, 'CURRENT'), 'latin1')) : undefined
  if (current === undefined) {
    // Before the first `CURRENT` there is neither a log nor a table.
    if (logs.length > 0 || tables.length > 0) throw damaged('CURRENT is gone')
    return
  }
  const manifest = current.trimEnd()
  if (!/^MANIFEST-\d+$/.test(manifest) || !files.includes(manifest))
    throw damaged('the file that CURRENT names is gone')
  const live = liveFiles(await readFile(join(directory, manifest)))
  if (live === undefined) throw damaged(`${manifest} does not match its checksums`)
  if (live.log > 0 && !logs.some(log => Number.parseInt(log, 10) === live.log)) throw damaged('the log is gone')
  for (const log of logs) {
    if (Number.parseInt(log, 10) < live.log) continue
    const bytes = await ifThere(readFile(join(directory, log)))
    if (bytes !== undefined && !readLog(bytes).isWhole) throw damaged(`${log} does not match its checksums`)
  }
  for (const [number, lengthBytes] of live.tables) {
    const table = tables.find(name => Number.parseInt(name, 10) === number)
    const bytes = table === undefined ? undefined : await ifThere(readFile(join(directory, table)))
    if (bytes === undefined) throw damaged(`table ${number} is gone`)
    if (bytes.length !== lengthBytes || !isReadableTable(bytes, live.sequence))
      throw damaged(`${table} does not match its checksums`)
  }
}

/** The records of a log, and whether it is whole up to its end, which may be cut off. */
export function readLog(log: Uint8Array): { readonly isWhole: boolean; readonly records: readonly Uint8Array[] } {
  const records: Uint8Array[] = []
  let parts: Uint8Array[] | undefined
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
      const { type, content } = fragment
      const begins = type === FULL || type === FIRST
      if (begins !== (parts === undefined)) return { isWhole: false, records }
      parts = [...(parts ?? []), content]
      if (type === FULL || type === LAST) {
        records.push(Buffer.concat(parts))
        parts = undefined
      }
      offset += HEADER_BYTES + content.length
    }
    if (isCut && holdsFragment(block, offset)) return { isWhole: false, records }
  }
  return { isWhole: true, records }
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
): { readonly type: number; readonly content: Uint8Array } | undefined {
  const view = new DataView(block.buffer, block.byteOffset + offset)
  const type = view.getUint8(6)
  const end = offset + HEADER_BYTES + view.getUint16(4, true)
  if (type < FULL || type > LAST || end > block.length) return undefined
  const isRight = unmasked(view.getUint32(0, true)) === crc32c(block.subarray(offset + HEADER_BYTES - 1, end))
  return isRight ? { type, content: block.subarray(offset + HEADER_BYTES, end) } : undefined
}

interface LiveFiles {
  /** The oldest log that is needed; 0 before there is one. */
  readonly log: number
  /** The number of the last write that is in a table. */
  readonly sequence: number
  /** Length in bytes by number. */
  readonly tables: ReadonlyMap<number, number>
}

/** What a manifest says that the database consists of; undefined where it is damaged. */
function liveFiles(manifest: Uint8Array): LiveFiles | undefined {
  const { isWhole, records } = readLog(manifest)
  if (!isWhole || records.length === 0) return undefined
  const live = { log: 0, sequence: 0, tables: new Map<number, number>() }
  for (const record of records) {
    const reader = new VarintReader(record)
    while (!reader.atEnd) applyEdit(reader, live)
    if (reader.isBroken) return undefined
  }
  return live
}

/** One field of a version edit. */
function applyEdit(reader: VarintReader, live: { log: number; sequence: number; tables: Map<number, number> }): void {
  const tag = reader.varint()
  if (tag === 2) live.log = reader.varint()
  else if (tag === 4) live.sequence = reader.varint()
  else if (tag === 3 || tag === 9) reader.varint()
  else if (tag === 1) reader.skip(reader.varint())
  else if (tag === 5) {
    reader.varint()
    reader.skip(reader.varint())
  } else if (tag === 6) {
    reader.varint()
    live.tables.delete(reader.varint())
  } else if (tag === 7) {
    reader.varint()
    live.tables.set(reader.varint(), reader.varint())
    reader.skip(reader.varint())
    reader.skip(reader.varint())
  } else reader.fail()
}

/** What was read, or undefined where it is not there: another process that has the database, which is met at its lock, may delete files. */
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
