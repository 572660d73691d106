import { z } from 'zod'
import { joinBytes, textBytes } from '../../identity/fields.ts'
import type { StoreRange, StoreWrite, Sublevel } from '../../store/port.ts'
import { type RecordCodec, recordCodec } from '../../store/records.ts'
import type { Sealer } from '../../store/sealer.ts'
import { EPOCH_BYTES, TAG_BYTES } from '../port.ts'

const whole = z.int().min(0)
const bytes = (min: number, max: number) =>
  z.custom<Uint8Array>(value => value instanceof Uint8Array && value.length >= min && value.length <= max)
/** Both ends of each range, one after the other. */
const ranges = z.array(whole)

/** Of the inbox as a whole. */
const metaSchema = z.strictObject({
  /** Names this log. */
  id: z.string().min(1),
  /** Indexes below may have been given; none of them is ever used again. */
  ceiling: whole,
  /** Elapsed time, and the wall clock at the same moment. */
  elapsedMs: whole,
  wallMs: z.int()
})
export type MetaRecord = z.output<typeof metaSchema>
const META: RecordCodec<MetaRecord> = recordCodec({ sublevel: 'meta', version: 1, schema: metaSchema })

/** Of one sender. */
const senderSchema = z.strictObject({
  contact: z.string(),
  /** The sender's own ID as it was last. */
  from: z.string(),
  epoch: bytes(EPOCH_BYTES, EPOCH_BYTES),
  /** The highest number of a lane of the epoch by which something came. */
  lastLane: whole,
  /** Epochs before, oldest first. */
  former: z.array(bytes(EPOCH_BYTES, EPOCH_BYTES)),
  /** Elapsed time at which the newest epochs began. */
  epochsAtMs: z.array(whole)
})
export type SenderRecord = z.output<typeof senderSchema>
const SENDER: RecordCodec<SenderRecord> = recordCodec({ sublevel: 'lanes', version: 1, schema: senderSchema })

/** Of one durable lane that is received. */
const laneSchema = z.strictObject({
  contact: z.string(),
  channel: z.string(),
  epoch: bytes(EPOCH_BYTES, EPOCH_BYTES),
  lane: whole,
  stored: whole,
  tag: bytes(0, TAG_BYTES),
  /** The sender has closed it: it stays for its messages alone. */
  isClosed: z.boolean(),
  handled: ranges,
  /** Ranges, and why. */
  rejected: z.array(z.tuple([whole, whole, z.string()])),
  skipped: ranges,
  /** Which of the numbers up to here were skipped is forgotten. */
  skipsForgottenThrough: whole,
  /** The highest index of its channel that is no longer kept. */
  goneThrough: whole
})
export type LaneRecord = z.output<typeof laneSchema>
const LANE: RecordCodec<LaneRecord> = recordCodec({ sublevel: 'lanes', version: 1, schema: laneSchema })

const consumerSchema = z.strictObject({
  name: z.string(),
  owner: z.string(),
  contacts: z.array(z.string()).nullable(),
  channels: z.array(z.string()).nullable(),
  cursor: whole,
  startedAfter: whole,
  /** Messages below were given at least once. */
  givenEnd: whole,
  /** Something may be reading as it: whatever is kept may have been given. */
  isReading: z.boolean()
})
export type ConsumerRecord = z.output<typeof consumerSchema>
const CONSUMER: RecordCodec<ConsumerRecord> = recordCodec({
  sublevel: 'consumers',
  version: 1,
  schema: consumerSchema
})

const META_KEY = textBytes('inbox')
const SENDER_PREFIX = 'in/sender/'
const LANE_PREFIX = 'in/lane/'

/** Records of senders and of lanes: '0' follows '/'. */
export const SENDER_KEYS: StoreRange = { gte: textBytes(SENDER_PREFIX), lt: textBytes('in/sender0') }
export const LANE_KEYS: StoreRange = { gte: textBytes(LANE_PREFIX), lt: textBytes('in/lane0') }

/** Where the inbox's records lie and how they are sealed. */
export class InboxRecords {
  readonly #sealer: Sealer

  constructor(sealer: Sealer) {
    this.#sealer = sealer
  }

  readonly metaKey: Uint8Array = META_KEY

  putMeta(record: MetaRecord): StoreWrite {
    return this.#put('meta', META_KEY, META.encode(record))
  }

  openMeta(value: Uint8Array): MetaRecord {
    return META.decode(this.#sealer.open('meta', META_KEY, value))
  }

  putSender(record: SenderRecord): StoreWrite {
    return this.#put('lanes', this.senderKey(record.contact), SENDER.encode(record))
  }

  openSender(key: Uint8Array, value: Uint8Array): SenderRecord {
    return SENDER.decode(this.#sealer.open('lanes', key, value))
  }

  deleteSender(contact: string): StoreWrite {
    return { type: 'delete', sublevel: 'lanes', key: this.senderKey(contact) }
  }

  putLane(record: LaneRecord): StoreWrite {
    return this.#put('lanes', this.laneKey(record), LANE.encode(record))
  }

  openLane(key: Uint8Array, value: Uint8Array): LaneRecord {
    return LANE.decode(this.#sealer.open('lanes', key, value))
  }

  deleteLane(lane: Pick<LaneRecord, 'contact' | 'epoch' | 'lane'>): StoreWrite {
    return { type: 'delete', sublevel: 'lanes', key: this.laneKey(lane) }
  }

  putConsumer(record: ConsumerRecord): StoreWrite {
    return this.#put('consumers', this.consumerKey(record.name), CONSUMER.encode(record))
  }

  openConsumer(key: Uint8Array, value: Uint8Array): ConsumerRecord {
    return CONSUMER.decode(this.#sealer.open('consumers', key, value))
  }

  deleteConsumer(name: string): StoreWrite {
    return { type: 'delete', sublevel: 'consumers', key: this.consumerKey(name) }
  }

  senderKey(contact: string): Uint8Array {
    return joinBytes(textBytes(SENDER_PREFIX), this.#sealer.hiddenName('sender', contact))
  }

  laneKey({ contact, epoch, lane }: Pick<LaneRecord, 'contact' | 'epoch' | 'lane'>): Uint8Array {
    const number = new Uint8Array(4)
    new DataView(number.buffer).setUint32(0, lane)
    return joinBytes(textBytes(LANE_PREFIX), this.#sealer.hiddenName('sender', contact), epoch, number)
  }

  consumerKey(name: string): Uint8Array {
    return this.#sealer.hiddenName('consumer', name)
  }

  #put(sublevel: Sublevel, key: Uint8Array, content: Uint8Array): StoreWrite {
    return { type: 'put', sublevel, key, value: this.#sealer.seal(sublevel, key, content) }
  }
}
