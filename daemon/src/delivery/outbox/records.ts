import { z } from 'zod'
import { textBytes } from '../../identity/fields.ts'
import type { StoreRange, StoreWrite, Sublevel } from '../../store/port.ts'
import { type RecordCodec, recordCodec } from '../../store/records.ts'
import type { Sealer } from '../../store/sealer.ts'
import { runCodec } from './run-record.ts'

const number = z.int().min(0)
const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)
const range = z.strictObject({ from: number, to: number })

const laneCodec = recordCodec({
  sublevel: 'lanes',
  version: 1,
  schema: z.strictObject({
    contact: z.string(),
    channel: z.string(),
    epoch: z.string(),
    number,
    next: number,
    stored: number,
    storedTag: z.string(),
    isStoredBySkip: z.boolean(),
    takenThrough: number,
    hole: range.nullable(),
    forgottenThrough: number,
    handled: z.array(range),
    cancelled: z.array(range),
    expiredNo: z.array(range),
    expiredMaybe: z.array(range),
    rejected: z.array(range.extend({ reason: z.string() })),
    origins: z.array(range.extend({ epoch: z.string(), lane: number, first: number })),
    moved: z.array(range.extend({ lane: number, first: number, maybeDuplicate: z.boolean() })),
    idleSinceMs: number,
    endedAtMs: number.nullable()
  })
})

const contactCodec = recordCodec({
  sublevel: 'lanes',
  version: 1,
  schema: z.strictObject({
    contact: z.string(),
    epoch: z.string().nullable(),
    nextLane: number,
    former: z.array(z.string()),
    epochTimesMs: z.array(number),
    heardMs: number,
    isMet: z.boolean()
  })
})

const idRange = z.strictObject({ first: z.string(), count: number })

const clientCodec = recordCodec({
  sublevel: 'clients',
  version: 1,
  schema: z.strictObject({
    client: z.string(),
    answeredThrough: number,
    usedMs: number,
    accepted: z.array(z.strictObject({ number, ids: z.array(idRange), expiresMs: number }))
  })
})

const idempotencyCodec = recordCodec({
  sublevel: 'clients',
  version: 1,
  schema: z.strictObject({ hash: bytes, ids: z.array(idRange), expiresMs: number, usedMs: number })
})

const timeCodec = recordCodec({
  sublevel: 'meta',
  version: 1,
  schema: z.strictObject({ elapsedMs: number, wallMs: z.int() })
})

/** Record layouts of the outbox, each with the sublevel that it lies in. */
export const RUN = { sublevel: 'outbox', codec: runCodec } as const
export const LANE = { sublevel: 'lanes', codec: laneCodec } as const
export const CONTACT = { sublevel: 'lanes', codec: contactCodec } as const
export const CLIENT = { sublevel: 'clients', codec: clientCodec } as const
export const IDEMPOTENCY = { sublevel: 'clients', codec: idempotencyCodec } as const
export const TIME = { sublevel: 'meta', codec: timeCodec } as const

export type LaneRecord = ReturnType<typeof laneCodec.decode>
export type ContactRecord = ReturnType<typeof contactCodec.decode>
export type ClientRecord = ReturnType<typeof clientCodec.decode>
export type IdempotencyRecord = ReturnType<typeof idempotencyCodec.decode>

interface Kind<T> {
  readonly sublevel: Sublevel
  readonly codec: RecordCodec<T>
}

/** What puts a sealed record in its place. */
export function putRecord<T>(sealer: Sealer, kind: Kind<T>, key: Uint8Array, value: T): StoreWrite {
  const { sublevel, codec } = kind
  return { type: 'put', sublevel, key, value: sealer.seal(sublevel, key, codec.encode(value)) }
}

/** @throws {DaemonError} `RECORD_DAMAGED` */
export function openRecord<T>(sealer: Sealer, kind: Kind<T>, key: Uint8Array, sealed: Uint8Array): T {
  return kind.codec.decode(sealer.open(kind.sublevel, key, sealed))
}

const HIDDEN_BYTES = 16
const RUN_KEY_BYTES = HIDDEN_BYTES + 4 + 8
const DAMAGED = textBytes('damaged/')

/** Everything in a sublevel whose key starts with `prefix`. */
export function prefixRange(prefix: string): StoreRange {
  const gte = textBytes(prefix)
  const lt = gte.slice()
  lt[lt.length - 1] = (lt.at(-1) as number) + 1
  return { gte, lt }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function u32(value: number): Uint8Array {
  const key = new Uint8Array(4)
  new DataView(key.buffer).setUint32(0, value)
  return key
}

export const SENDER_LANE_PREFIX = 'outbox-lane/'
export const SENDER_CONTACT_PREFIX = 'outbox-contact/'
export const CLIENT_PREFIX = 'client/'
export const IDEMPOTENCY_PREFIX = 'key/'
export const TIME_KEY: Uint8Array = textBytes('outbox-time')

export const laneKey = (hidden: Uint8Array, lane: number): Uint8Array =>
  joined(textBytes(SENDER_LANE_PREFIX), hidden, u32(lane))
export const contactKey = (hidden: Uint8Array): Uint8Array => joined(textBytes(SENDER_CONTACT_PREFIX), hidden)
export const clientKey = (hidden: Uint8Array): Uint8Array => joined(textBytes(CLIENT_PREFIX), hidden)
export const idempotencyKey = (hidden: Uint8Array): Uint8Array => joined(textBytes(IDEMPOTENCY_PREFIX), hidden)
export const damagedKey = (key: Uint8Array): Uint8Array => joined(DAMAGED, key)

/** The key of the run whose first message had the number `first` when it was accepted. */
export function runKey(hidden: Uint8Array, lane: number, first: number): Uint8Array {
  const key = new Uint8Array(RUN_KEY_BYTES)
  key.set(hidden)
  const view = new DataView(key.buffer)
  view.setUint32(HIDDEN_BYTES, lane)
  view.setBigUint64(HIDDEN_BYTES + 4, BigInt(first))
  return key
}

/** What a run's key says; undefined where it is another key, of something set aside. */
export function parseRunKey(key: Uint8Array): { hidden: string; lane: number; first: number } | undefined {
  if (key.length !== RUN_KEY_BYTES) return undefined
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  return {
    hidden: Buffer.from(key.buffer, key.byteOffset, HIDDEN_BYTES).toString('hex'),
    lane: view.getUint32(HIDDEN_BYTES),
    first: Number(view.getBigUint64(HIDDEN_BYTES + 4))
  }
}
