import { DaemonError } from '../../errors.ts'
import type { Store, StoreEntry } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import { DurableLane } from './durable-lane.ts'
import { type ConsumerRecord, type InboxRecords, LANE_KEYS, type MetaRecord, SENDER_KEYS } from './records.ts'
import type { Entry } from './run-log.ts'
import { decodeRunHeader, indexOfKey, RUN_KEYS, type RunRecord } from './run-record.ts'
import { Sender } from './sender.ts'
import type { Source } from './source.ts'

export interface LoadDeps {
  readonly store: Store
  readonly sealer: Sealer
  readonly records: InboxRecords
  readonly source: (contact: string, channel: string) => Source
  readonly contactName: (contact: string) => string
}

/** A run's record that does not open. */
export interface DamagedRun {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** What the disk holds. */
export interface Kept {
  readonly meta: MetaRecord | undefined
  readonly senders: ReadonlyMap<string, Sender>
  /** Oldest first. */
  readonly entries: readonly Entry[]
  readonly damaged: readonly DamagedRun[]
  readonly consumers: readonly ConsumerRecord[]
}

/**
 * Reads everything that the inbox keeps. The header of each run stays in memory, its bodies do not.
 *
 * @throws {DaemonError} `RECORD_DAMAGED` for any record but a run's; `STORE_UNAVAILABLE`
 */
export async function loadKept(deps: LoadDeps): Promise<Kept> {
  const { store, records } = deps
  const value = store.get('meta', records.metaKey)
  const meta = value === undefined ? undefined : records.openMeta(value)
  const senders = await loadSenders(deps)
  const entries: Entry[] = []
  const damaged: DamagedRun[] = []
  for await (const entry of store.range('inbox', RUN_KEYS)) {
    const read = readEntry(deps, senders, entry)
    if (read === undefined) damaged.push(entry)
    else entries.push(read)
  }
  const consumers: ConsumerRecord[] = []
  for await (const { key, value } of store.range('consumers')) consumers.push(records.openConsumer(key, value))
  return { meta, senders, entries, damaged, consumers }
}

async function loadSenders({ store, records, source }: LoadDeps): Promise<Map<string, Sender>> {
  const senders = new Map<string, Sender>()
  for await (const { key, value } of store.range('lanes', SENDER_KEYS)) {
    const record = records.openSender(key, value)
    senders.set(record.contact, Sender.of(record))
  }
  for await (const { key, value } of store.range('lanes', LANE_KEYS)) {
    const record = records.openLane(key, value)
    const sender = senders.get(record.contact)
    if (sender === undefined)
      throw new DaemonError('RECORD_DAMAGED', 'a lane of nobody', { data: { sublevel: 'lanes' } })
    const lane = DurableLane.of(record, source(record.contact, record.channel))
    if (!lane.isClosed && sender.isCurrent(lane.epoch)) {
      sender.lanes.set(lane.number, lane)
    } else {
      lane.isClosed = true
      sender.closed.add(lane)
    }
  }
  return senders
}

/** Undefined where the record does not open. */
function readEntry(deps: LoadDeps, senders: Map<string, Sender>, { key, value }: StoreEntry): Entry | undefined {
  let record: RunRecord
  let first: number
  try {
    first = indexOfKey(key)
    record = decodeRunHeader(deps.sealer.open('inbox', key, value))
  } catch (error) {
    if (error instanceof DaemonError && error.code === 'RECORD_DAMAGED') return undefined
    throw error
  }
  const { contact, from, channel, firstSeq, sentAt, receivedAtMs, maybeDuplicate, sizes } = record
  const source = deps.source(contact, channel)
  const lane = laneOf(senders, record, source)
  const count = sizes.length
  return {
    ...{ first, end: first + count, source, from, fromName: deps.contactName(contact), idPrefix: lane.idPrefix },
    ...{ firstSeq, sentAt, bodyBytes: sizes.reduce((sum, size) => sum + size, 0), bodies: [] },
    durable: { lane, receivedAtMs, maybeDuplicate, sizes: count === 1 ? undefined : Uint32Array.from(sizes) },
    ...{ isHandled: lane.isSettled(firstSeq, firstSeq + count - 1), isGone: false }
  }
}

function laneOf(senders: Map<string, Sender>, record: RunRecord, source: Source): DurableLane {
  const { contact, from, epoch, lane: number } = record
  let sender = senders.get(contact)
  if (sender === undefined) {
    sender = new Sender(contact, from)
    senders.set(contact, sender)
  }
  sender.from = from
  const known = sender.find(epoch, number)
  if (known !== undefined) return known
  // Its record went when its sender closed it.
  const lane = new DurableLane(contact, record, source)
  lane.isClosed = true
  lane.isForgotten = true
  sender.closed.add(lane)
  return lane
}
