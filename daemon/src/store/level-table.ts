import { crc32c, unmasked } from './crc32c.ts'
import { VarintReader } from './varint-reader.ts'

// Layouts: LevelDB doc/table_format.md, table/block_builder.cc, db/dbformat.h.

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const TABLE_MAGIC = 0xdb4775248b80fb57n

/** What follows the key that was given: the number of the write, and whether it put or deleted. */
const KEY_TRAILER_BYTES = 8
const DELETION = 0n
const VALUE = 1n
const SUBLEVEL = /^!(?:meta|peers|lanes|outbox|inbox|consumers|clients|audit)!/

/**
 * Whether nothing can be missing from a table without a word: each block matches its checksum, or is one whose entries are all there,
 * whatever their values are now, which their seals tell.
 *
 * @param lastSequence - no entry is of a later write
 */
export function isReadableTable(table: Uint8Array, lastSequence: number): boolean {
  if (table.length < FOOTER_BYTES) return false
  const footer = table.subarray(table.length - FOOTER_BYTES)
  if (new DataView(footer.buffer, footer.byteOffset).getBigUint64(FOOTER_BYTES - 8, true) !== TABLE_MAGIC) return false
  const handles = new VarintReader(footer)
  const metaIndex = blockAt(table, handles)
  const index = blockAt(table, handles)
  if (metaIndex?.isWhole !== true || index?.isWhole !== true) return false
  const filters = entriesOf(metaIndex.bytes)?.map(({ value }) => blockAt(table, new VarintReader(value)))
  if (filters?.every(block => block?.isWhole) !== true) return false
  let after: Buffer | undefined
  for (const { key, value } of entriesOf(index.bytes) ?? []) {
    const block = blockAt(table, new VarintReader(value))
    if (block === undefined) return false
    // The key of a block in the index is not before its last one, and before the first one of the next block.
    const upTo = nameOf(key)
    if (!block.isWhole && !holdsItsEntries(block.bytes, { after, upTo, lastSequence })) return false
    after = upTo
  }
  return after !== undefined
}

interface Bounds {
  readonly after: Buffer | undefined
  readonly upTo: Buffer
  readonly lastSequence: number
}

interface Block {
  readonly bytes: Uint8Array
  /** Whether it matches its checksum. */
  readonly isWhole: boolean
}

/** The block that a handle points to. */
function blockAt(table: Uint8Array, handle: VarintReader): Block | undefined {
  const offset = handle.varint()
  const end = offset + handle.varint()
  if (handle.isBroken || end + TRAILER_BYTES > table.length) return undefined
  const stored = new DataView(table.buffer, table.byteOffset).getUint32(end + 1, true)
  return { bytes: table.subarray(offset, end), isWhole: unmasked(stored) === crc32c(table.subarray(offset, end + 1)) }
}

/** Whether each entry of a data block that has a wrong byte somewhere will still be met by whoever reads all of its sublevel. */
function holdsItsEntries(block: Uint8Array, { after, upTo, lastSequence }: Bounds): boolean {
  let last = after
  for (const { key, value } of entriesOf(block) ?? []) {
    if (key.length < KEY_TRAILER_BYTES) return false
    const name = nameOf(key)
    const trailer = key.readBigUInt64LE(name.length)
    const kind = trailer & 0xffn
    const isPossible = kind === VALUE ? value.length > 0 : kind === DELETION && value.length === 0
    if (!isPossible || trailer >> 8n > BigInt(lastSequence) || !SUBLEVEL.test(name.toString('latin1'))) return false
    if (last !== undefined && name.compare(last) < 0) return false
    last = name
  }
  return last !== after && (last?.compare(upTo) ?? 1) <= 0
}

function nameOf(key: Buffer): Buffer {
  return key.subarray(0, Math.max(0, key.length - KEY_TRAILER_BYTES))
}

interface Entry {
  readonly key: Buffer
  readonly value: Uint8Array
}

/** The entries of a block, or undefined where its parts do not fit together. Compressed blocks, which the store never writes, do not. */
function entriesOf(block: Uint8Array): readonly Entry[] | undefined {
  if (block.length < 4) return undefined
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const restartCount = view.getUint32(block.length - 4, true)
  const end = block.length - 4 - 4 * restartCount
  if (end < 0) return undefined
  const restarts = new Set(Array.from({ length: restartCount }, (_, index) => view.getUint32(end + 4 * index, true)))
  if (restarts.size !== restartCount) return undefined
  const reader = new VarintReader(block.subarray(0, end))
  const entries: Entry[] = []
  let key = Buffer.alloc(0)
  while (!reader.atEnd) {
    const isRestart = restarts.delete(reader.offset)
    const sharedBytes = reader.varint()
    const restBytes = reader.varint()
    const valueBytes = reader.varint()
    if (sharedBytes > key.length || (isRestart && sharedBytes > 0)) return undefined
    key = Buffer.concat([key.subarray(0, sharedBytes), reader.take(restBytes)])
    entries.push({ key, value: reader.take(valueBytes) })
  }
  // An empty block has a restart all the same.
  if (entries.length === 0) restarts.delete(0)
  return reader.isBroken || restarts.size > 0 ? undefined : entries
}
