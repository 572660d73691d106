import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { joinBytes, lengthPrefixed, textBytes, u64Bytes } from '../../identity/fields.ts'
import type { StoreWrite } from '../../store/port.ts'
import { recordCodec } from '../../store/records.ts'
import type { Sealer } from '../../store/sealer.ts'
import type { AuditEntry } from './port.ts'

export const MAC_BYTES = 32
/** What stands before the first entry. */
export const NO_MAC: Uint8Array = new Uint8Array(MAC_BYTES)
export const SUBJECT_BYTES_MAX = 256
export const DETAIL_COUNT_MAX = 16
export const DETAIL_BYTES_MAX = 2_048

const ENTRY_LABEL = textBytes('parley/audit/v1\0')
const ANCHOR_LABEL = textBytes('parley/audit-anchor/v1\0')
const KEY_BYTES = 8
/** The anchor lies before the entries, whose numbers start at 1. */
const ANCHOR_KEY = auditKeyOf(0)

/** An entry as it is kept. */
export interface AuditRecord {
  /** 1 for the first. */
  readonly index: number
  /** Unix milliseconds. */
  readonly at: number
  readonly action: string
  readonly subject?: string | undefined
  readonly by: string
  readonly detail: Readonly<Record<string, string>>
  /** MAC of the entry before, or 32 zeros. */
  readonly previous: Uint8Array
  readonly mac: Uint8Array
}

/** The last entry that has left, to which the oldest one that is kept is chained. */
export interface AuditAnchor {
  readonly index: number
  readonly mac: Uint8Array
  /** Over `index` and `mac`. */
  readonly proof: Uint8Array
}

const mac = z.custom<Uint8Array>(value => value instanceof Uint8Array && value.length === MAC_BYTES)

const RECORD = recordCodec<AuditRecord>({
  sublevel: 'audit',
  version: 1,
  schema: z.strictObject({
    index: z.int().positive(),
    at: z.int(),
    action: z.string(),
    subject: z.string().optional(),
    by: z.string(),
    detail: z.record(z.string(), z.string()),
    previous: mac,
    mac
  })
})
const ANCHOR = recordCodec<AuditAnchor>({
  sublevel: 'audit',
  version: 1,
  schema: z.strictObject({ index: z.int().nonnegative(), mac, proof: mac })
})

/** The key of an entry in the store: its number as u64be. */
export function auditKeyOf(index: number): Uint8Array {
  return u64Bytes(index)
}

/** The number that a key of the sublevel stands for; 0 is the anchor's, undefined is no key of this log. */
export function indexOfKey(key: Uint8Array): number | undefined {
  if (key.length !== KEY_BYTES) return undefined
  const index = new DataView(key.buffer, key.byteOffset).getBigUint64(0)
  return index <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(index) : undefined
}

/** Reads, writes and proves the records of the log. Holds the audit key. */
export class AuditRecords {
  readonly #sealer: Sealer
  readonly #key: Uint8Array

  /** @param key - 32 bytes, taken over */
  constructor(sealer: Sealer, key: Uint8Array) {
    this.#sealer = sealer
    this.#key = key
  }

  /** The record of an entry, chained to `previous`. @throws {RangeError} for an entry over its bounds */
  make(entry: AuditEntry, index: number, at: number, previous: Uint8Array): AuditRecord {
    const { action, subject, by, detail = {} } = entry
    assertBounds(entry)
    const content = {
      index,
      at,
      action,
      ...(subject !== undefined && { subject }),
      by,
      detail: { ...detail },
      previous
    }
    return { ...content, mac: this.#macOf(content) }
  }

  /** Whether a record is as it was made. */
  holds(record: AuditRecord): boolean {
    return timingSafeEqual(record.mac, this.#macOf(record))
  }

  /** The anchor behind an entry that leaves. */
  anchorAt({ index, mac }: Pick<AuditRecord, 'index' | 'mac'>): AuditAnchor {
    return { index, mac, proof: this.#proofOf(index, mac) }
  }

  anchorHolds({ index, mac, proof }: AuditAnchor): boolean {
    return timingSafeEqual(proof, this.#proofOf(index, mac))
  }

  put(record: AuditRecord): StoreWrite {
    return this.#put(auditKeyOf(record.index), RECORD.encode(record))
  }

  putAnchor(anchor: AuditAnchor): StoreWrite {
    return this.#put(ANCHOR_KEY, ANCHOR.encode(anchor))
  }

  /** @throws {DaemonError} `RECORD_DAMAGED` */
  open(key: Uint8Array, value: Uint8Array): AuditRecord {
    return RECORD.decode(this.#sealer.open('audit', key, value))
  }

  /** @throws {DaemonError} `RECORD_DAMAGED` */
  openAnchor(value: Uint8Array): AuditAnchor {
    return ANCHOR.decode(this.#sealer.open('audit', ANCHOR_KEY, value))
  }

  #put(key: Uint8Array, content: Uint8Array): StoreWrite {
    return { type: 'put', sublevel: 'audit', key, value: this.#sealer.seal('audit', key, content) }
  }

  #macOf({ index, at, action, subject, by, detail, previous }: Omit<AuditRecord, 'mac'>): Uint8Array {
    const fields = Object.entries(detail)
      .sort(([a], [b]) => Buffer.compare(textBytes(a), textBytes(b)))
      .flat()
    const texts = [action, subject === undefined ? '' : `=${subject}`, by, ...fields]
    const content = joinBytes(u64Bytes(index), u64Bytes(at), ...texts.map(text => lengthPrefixed(textBytes(text))))
    return this.#hmac(ENTRY_LABEL, previous, content)
  }

  #proofOf(index: number, mac: Uint8Array): Uint8Array {
    return this.#hmac(ANCHOR_LABEL, u64Bytes(index), mac)
  }

  #hmac(...parts: readonly Uint8Array[]): Uint8Array {
    const hmac = createHmac('sha256', this.#key)
    for (const part of parts) hmac.update(part)
    return new Uint8Array(hmac.digest())
  }
}

function assertBounds({ subject = '', by, detail = {} }: AuditEntry): void {
  const fields = Object.entries(detail)
  const detailBytes = fields.flat().reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (
    Buffer.byteLength(subject) > SUBJECT_BYTES_MAX ||
    Buffer.byteLength(by) > SUBJECT_BYTES_MAX ||
    fields.length > DETAIL_COUNT_MAX ||
    detailBytes > DETAIL_BYTES_MAX
  ) {
    throw new RangeError('an entry of the audit log is over its bounds')
  }
}
