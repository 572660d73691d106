import { decode, encode } from 'cborg'
import { z } from 'zod'
import { DaemonError } from '../../errors.ts'
import { textBytes } from '../../identity/fields.ts'
import type { StoreRange } from '../../store/port.ts'
import { EPOCH_BYTES } from '../port.ts'

/** What the inbox keeps on disk of one run. */
export interface RunRecord {
  readonly contact: string
  /** The sender's own ID. */
  readonly from: string
  readonly channel: string
  readonly epoch: Uint8Array
  readonly lane: number
  readonly firstSeq: number
  readonly sentAt: number
  /** By the inbox's elapsed time. */
  readonly receivedAtMs: number
  readonly maybeDuplicate: boolean
  /** Bytes of each body. */
  readonly sizes: readonly number[]
}

const VERSION = 1
const whole = z.int().min(0)
const schema = z.tuple([
  z.literal(VERSION),
  z.string(),
  z.string(),
  z.string(),
  z.custom<Uint8Array>(value => value instanceof Uint8Array && value.length === EPOCH_BYTES),
  whole,
  z.int().min(1),
  z.int(),
  whole,
  z.boolean(),
  z.array(whole).min(1)
])

const LENGTH_BYTES = 4

/**
 * A run as one value: the length of its header (u32be), the header (a CBOR list), and the bodies one after the other. A start reads headers
 * alone.
 */
export function encodeRun(record: RunRecord, bodies: readonly Uint8Array[]): Uint8Array {
  const { contact, from, channel, epoch, lane, firstSeq, sentAt, receivedAtMs, maybeDuplicate, sizes } = record
  const header = encode([
    VERSION,
    ...[contact, from, channel, epoch, lane, firstSeq, sentAt, receivedAtMs, maybeDuplicate],
    [...sizes]
  ])
  const bodyBytes = sizes.reduce((sum, size) => sum + size, 0)
  const bytes = new Uint8Array(LENGTH_BYTES + header.length + bodyBytes)
  new DataView(bytes.buffer).setUint32(0, header.length)
  bytes.set(header, LENGTH_BYTES)
  let at = LENGTH_BYTES + header.length
  for (const body of bodies) {
    bytes.set(body, at)
    at += body.length
  }
  return bytes
}

/** The header of a run. @throws {DaemonError} `RECORD_DAMAGED` */
export function decodeRunHeader(bytes: Uint8Array): RunRecord {
  try {
    const [, contact, from, channel, epoch, lane, firstSeq, sentAt, receivedAtMs, maybeDuplicate, sizes] = schema.parse(
      decode(bytes.subarray(LENGTH_BYTES, headerEnd(bytes)), { strict: true })
    )
    return { contact, from, channel, epoch, lane, firstSeq, sentAt, receivedAtMs, maybeDuplicate, sizes }
  } catch (error) {
    // What a decoder quotes may be content; its type is all that is safe to keep.
    throw damaged(error instanceof Error ? error.name : 'not an error')
  }
}

/** The bodies of a run, as views on `bytes`. @throws {DaemonError} `RECORD_DAMAGED` */
export function decodeRunBodies(bytes: Uint8Array): Uint8Array[] {
  const { sizes } = decodeRunHeader(bytes)
  let at = headerEnd(bytes)
  const bodies = sizes.map(size => {
    const body = bytes.subarray(at, at + size)
    at += size
    return body
  })
  if (at !== bytes.length) throw damaged('length')
  return bodies
}

/** Where a run lies in `inbox`: its first index (u64be). */
export function runKey(first: number): Uint8Array {
  const key = new Uint8Array(8)
  new DataView(key.buffer).setBigUint64(0, BigInt(first))
  return key
}

/** The index of a key. @throws {DaemonError} `RECORD_DAMAGED` */
export function indexOfKey(key: Uint8Array): number {
  const index = key.length === 8 ? Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0)) : 0
  if (!Number.isSafeInteger(index) || index < 1) throw damaged('key')
  return index
}

/** Runs in use, and where those lie that did not open. Indexes are below 2^53, so a run's key never starts like that. */
export const RUN_KEYS: StoreRange = { lt: Uint8Array.of(0x01) }
export const DAMAGED_PREFIX: Uint8Array = textBytes('damaged/')

function headerEnd(bytes: Uint8Array): number {
  if (bytes.length < LENGTH_BYTES) throw damaged('length')
  const end = LENGTH_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (end > bytes.length) throw damaged('length')
  return end
}

function damaged(detail: string): DaemonError {
  return new DaemonError('RECORD_DAMAGED', `a record in inbox does not decode (${detail})`, {
    data: { sublevel: 'inbox' }
  })
}
