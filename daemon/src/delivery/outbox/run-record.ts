import { DaemonError } from '../../errors.ts'
import type { RecordCodec } from '../../store/records.ts'
import type { EntryKind } from './entry.ts'

/** What the outbox keeps on disk of one run, or of numbers that are to be skipped. */
export interface RunRecord {
  readonly kind: EntryKind
  readonly count: number
  /** Unix milliseconds. */
  readonly acceptedAt: number
  /** Elapsed time. */
  readonly acceptedMs: number
  readonly ttlMs: number
  readonly tag: Uint8Array
  readonly fingerprint: Uint8Array
  readonly maybeDuplicate: boolean
  /** Of a run, `count`; else none. */
  readonly bodies: readonly Uint8Array[]
}

const VERSION = 1
const KINDS: readonly EntryKind[] = ['run', 'expiring', 'skip']
/** Version, kind and mark (a byte each), the lengths of tag and fingerprint (a byte each), four numbers (f64be), and how many bodies there are (u32be). */
const HEAD_BYTES = 5 + 4 * 8 + 4
const NUMBERS_AT = 5
const BODY_COUNT_AT = NUMBERS_AT + 4 * 8

/**
 * The head, tag and fingerprint, the lengths of the bodies (u32be each), and the bodies: fixed places, since a start reads as many of these as there are
 * runs in the queue.
 */
export const runCodec: RecordCodec<RunRecord> = { encode, decode }

function encode(record: RunRecord): Uint8Array {
  const { kind, count, acceptedAt, acceptedMs, ttlMs, tag, fingerprint, maybeDuplicate, bodies } = record
  const bodyBytes = bodies.reduce((sum, body) => sum + body.length, 0)
  const bytes = new Uint8Array(HEAD_BYTES + tag.length + fingerprint.length + 4 * bodies.length + bodyBytes)
  bytes.set([VERSION, KINDS.indexOf(kind), maybeDuplicate ? 1 : 0, tag.length, fingerprint.length])
  const view = new DataView(bytes.buffer)
  ;[count, acceptedAt, acceptedMs, ttlMs].forEach((number, n) => {
    view.setFloat64(NUMBERS_AT + 8 * n, number)
  })
  view.setUint32(BODY_COUNT_AT, bodies.length)
  bytes.set(tag, HEAD_BYTES)
  bytes.set(fingerprint, HEAD_BYTES + tag.length)
  let sizeAt = HEAD_BYTES + tag.length + fingerprint.length
  let at = sizeAt + 4 * bodies.length
  for (const body of bodies) {
    view.setUint32(sizeAt, body.length)
    bytes.set(body, at)
    sizeAt += 4
    at += body.length
  }
  return bytes
}

/** Tag, fingerprint and bodies are views on `bytes`. @throws {DaemonError} `RECORD_DAMAGED` */
function decode(bytes: Uint8Array): RunRecord {
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) throw damaged()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kind = KINDS[bytes[1] as number]
  const tagEnd = HEAD_BYTES + (bytes[3] as number)
  let sizeAt = tagEnd + (bytes[4] as number)
  const bodyCount = view.getUint32(BODY_COUNT_AT)
  let at = sizeAt + 4 * bodyCount
  if (kind === undefined || at > bytes.length) throw damaged()
  const fingerprint = bytes.subarray(tagEnd, sizeAt)
  const bodies: Uint8Array[] = []
  for (; bodies.length < bodyCount; sizeAt += 4) {
    const end = at + view.getUint32(sizeAt)
    bodies.push(bytes.subarray(at, end))
    at = end
  }
  if (at !== bytes.length) throw damaged()
  return {
    kind,
    count: wholeAt(view, 0),
    acceptedAt: wholeAt(view, 1),
    acceptedMs: wholeAt(view, 2),
    ttlMs: wholeAt(view, 3),
    tag: bytes.subarray(HEAD_BYTES, tagEnd),
    fingerprint,
    maybeDuplicate: bytes[2] === 1,
    bodies
  }
}

function wholeAt(view: DataView, n: number): number {
  const number = view.getFloat64(NUMBERS_AT + 8 * n)
  if (!Number.isSafeInteger(number)) throw damaged()
  return number
}

function damaged(): DaemonError {
  return new DaemonError('RECORD_DAMAGED', 'a record in outbox does not decode', { data: { sublevel: 'outbox' } })
}
