import { decode } from 'cborg'
import { decodeRunBodies, decodeRunHeader } from '../delivery/inbox/run-record.ts'
import {
  type LaneRecord,
  parseRunKey,
  RUN,
  LANE as SENDER_LANE,
  SENDER_LANE_PREFIX
} from '../delivery/outbox/records.ts'
import { decodeCard, formatCard } from '../identity/card.ts'
import { hexOf, textBytes } from '../identity/fields.ts'
import { OWN_CARD_KEY } from '../identity/own-card.ts'
import { KEPT_PORTS_KEY } from '../kept-ports.ts'
import { decodeAnyContact } from '../peer/contact.ts'
import type { RawRecord } from './salvage.ts'
import { isPlainRecord } from './sealed.ts'
import type { Sealer } from './sealer.ts'

/** A line of an export. */
export type ExportLine = Readonly<Record<string, unknown>>

const HIDDEN_BYTES = 16

/** Turns records of a store into lines, a line for each message. The lanes must come before the runs. */
export class ExportRecords {
  /** Undefined for a store that was never sealed. */
  readonly #sealer: Sealer | undefined
  /** Lanes of the outbox, by the first bytes of the keys of their runs: runs say neither contact nor channel. */
  readonly #lanes = new Map<string, LaneRecord>()

  constructor(sealer: Sealer | undefined) {
    this.#sealer = sealer
  }

  /** @throws {DaemonError} `RECORD_DAMAGED`; and what decoders throw, whose text may quote the record */
  linesOf(record: RawRecord): readonly ExportLine[] {
    const { sublevel, key, value } = record
    if (isPlainRecord(sublevel, key) || isAt(record, KEPT_PORTS_KEY)) return []
    const content = this.#sealer === undefined ? value : this.#sealer.open(sublevel, key, value)
    const place = { sublevel, key: hexOf(key) }
    if (sublevel === 'peers') return [{ ...place, ...contactLine(content) }]
    if (isAt(record, OWN_CARD_KEY)) {
      return [{ ...place, card: formatCard(decodeCard(content)) }]
    }
    if (sublevel === 'inbox' && key[0] === 0) return inboxLines(place, key, content)
    if (sublevel === 'outbox' && parseRunKey(key) !== undefined) return this.#outboxLines(place, key, content)
    const prefix = textBytes(SENDER_LANE_PREFIX)
    if (sublevel === 'lanes' && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0) {
      this.#lanes.set(hexOf(key.subarray(prefix.length)), SENDER_LANE.codec.decode(content))
    }
    return [{ ...place, value: shown(decode(content)) }]
  }

  #outboxLines(place: ExportLine, key: Uint8Array, content: Uint8Array): readonly ExportLine[] {
    const { kind, count, acceptedAt, ttlMs, maybeDuplicate, bodies } = RUN.codec.decode(content)
    const lane = this.#lanes.get(hexOf(key.subarray(0, HIDDEN_BYTES + 4)))
    const { lane: number, first } = parseRunKey(key) as { lane: number; first: number }
    const { contact = null, channel = null, epoch = null } = lane ?? {}
    const common = { ...place, contact, channel, kind, acceptedAt, ttlMs, maybeDuplicate }
    const idOf = (offset: number): string | null => (epoch === null ? null : `${epoch}.${number}.${first + offset}`)
    if (bodies.length === 0) return [{ ...common, id: idOf(0), count }]
    return bodies.map((body, offset) => ({ ...common, id: idOf(offset), ...bodyOf(body) }))
  }
}

function isAt({ sublevel, key }: RawRecord, metaKey: Uint8Array): boolean {
  return sublevel === 'meta' && Buffer.compare(key, metaKey) === 0
}

function inboxLines(place: ExportLine, key: Uint8Array, content: Uint8Array): readonly ExportLine[] {
  const { contact, from, channel, epoch, lane, firstSeq, sentAt, maybeDuplicate } = decodeRunHeader(content)
  const first = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0))
  return decodeRunBodies(content).map((body, offset) => ({
    ...place,
    index: first + offset,
    id: `${hexOf(epoch)}.${lane}.${firstSeq + offset}`,
    from,
    contact,
    channel,
    sentAt,
    maybeDuplicate,
    ...bodyOf(body)
  }))
}

function contactLine(content: Uint8Array): ExportLine {
  const { contact, name, card, addressOverride, trust, blocked, addedAt } = decodeAnyContact(content)
  return { contact, name, id: card.id, card: formatCard(card), addressOverride, trust, blocked, addedAt }
}

/** `body` in base64, and `text` where it is UTF-8, as `listen --json` prints them. */
function bodyOf(body: Uint8Array): ExportLine {
  const base64 = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64')
  try {
    return { body: base64, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) }
  } catch {
    return { body: base64 } // The decoder throws for what is no text.
  }
}

/** A decoded value as JSON has it: byte strings in hexadecimal. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return hexOf(value)
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shown(member)]))
}
