import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import type { StoreEntry } from '../../store/port.ts'
import { Book, type BookDeps, type OutboxDeps } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import { ElapsedClock, type KeptTime } from './elapsed-clock.ts'
import { Entry } from './entry.ts'
import { Lane } from './lane.ts'
import {
  CLIENT,
  CLIENT_PREFIX,
  CONTACT,
  damagedKey,
  IDEMPOTENCY,
  IDEMPOTENCY_PREFIX,
  LANE,
  type LaneRecord,
  openRecord,
  parseRunKey,
  prefixRange,
  RUN,
  SENDER_CONTACT_PREFIX,
  SENDER_LANE_PREFIX,
  TIME,
  TIME_KEY
} from './records.ts'
import { tellDamage } from './removing.ts'
import { restUntil } from './rotation.ts'
import type { RunRecord } from './run-record.ts'
import { SendKeys } from './send-keys.ts'

const KEY_HIDDEN_BYTES = 16

export interface Loaded {
  readonly book: Book
  readonly sendKeys: SendKeys
}

/**
 * Reads everything that is kept. `elapsed` is that of the daemon that goes on after its store was lost: a step of the wall clock meanwhile
 * is none over a restart.
 *
 * @throws {DaemonError} `RECORD_DAMAGED` for a record that nothing stands in for: of a lane, a contact, a client or the time; `STORE_UNAVAILABLE`
 */
export async function loadOutbox(
  deps: OutboxDeps,
  hooks: Pick<BookDeps, 'run' | 'failed'>,
  elapsed: ElapsedClock | undefined
): Promise<Loaded> {
  const { store, sealer, clock, options } = deps
  const keptTime = store.get('meta', TIME_KEY)
  const kept: KeptTime | undefined = keptTime === undefined ? undefined : openRecord(sealer, TIME, TIME_KEY, keptTime)
  const book = new Book({ ...deps, ...hooks, elapsed: elapsed ?? new ElapsedClock(clock, options, kept) })
  const byHidden = await loadContacts(book)
  for await (const { key, value } of store.range('lanes', prefixRange(SENDER_LANE_PREFIX))) {
    restoreLane(book, openRecord(sealer, LANE, key, value))
  }
  await loadRuns(book, byHidden)
  const sendKeys = new SendKeys(book)
  for await (const { key, value } of store.range('clients', prefixRange(CLIENT_PREFIX))) {
    sendKeys.restoreClient(openRecord(sealer, CLIENT, key, value))
  }
  for await (const { key, value } of store.range('clients', prefixRange(IDEMPOTENCY_PREFIX))) {
    sendKeys.restoreKey(key.slice(-KEY_HIDDEN_BYTES), openRecord(sealer, IDEMPOTENCY, key, value))
  }
  sendKeys.sortByUse()
  return { book, sendKeys }
}

async function loadContacts(book: Book): Promise<ReadonlyMap<string, ContactLanes>> {
  const { store, sealer, options } = book.deps
  const byHidden = new Map<string, ContactLanes>()
  for await (const { key, value } of store.range('lanes', prefixRange(SENDER_CONTACT_PREFIX))) {
    const record = openRecord(sealer, CONTACT, key, value)
    const contact = book.contactOf(record.contact)
    contact.epoch = record.epoch ?? undefined
    contact.nextLane = record.nextLane
    contact.former = record.former
    contact.epochTimesMs = record.epochTimesMs
    contact.restUntilMs = restUntil(record.epochTimesMs, book.nowMs(), options.epochCountPerHourMax)
    contact.heardMs = record.heardMs
    contact.isMet = record.isMet
    for (const epoch of [...contact.former, contact.epoch]) if (epoch !== undefined) book.epochs.set(epoch, contact)
    byHidden.set(hexOf(contact.hidden), contact)
  }
  return byHidden
}

function restoreLane(book: Book, record: LaneRecord): void {
  const {
    hole,
    handled,
    cancelled,
    expiredNo,
    expiredMaybe,
    endedAtMs,
    contact: name,
    channel,
    epoch,
    number,
    ...rest
  } = record
  const contact = book.contactOf(name)
  const lane = new Lane({ contact: name, channel, epoch, number })
  Object.assign(lane, rest)
  lane.hole = hole ?? undefined
  lane.endedAtMs = endedAtMs ?? undefined
  for (const { from, to } of handled) lane.handled.add(from, to)
  for (const { from, to } of cancelled) lane.cancelled.add(from, to)
  for (const { from, to } of expiredNo) lane.expiredNo.add(from, to)
  for (const { from, to } of expiredMaybe) lane.expiredMaybe.add(from, to)
  lane.writtenThrough = lane.takenThrough
  lane.takeableThrough = lane.takenThrough
  lane.sentThrough = Math.max(lane.takenThrough, lane.stored)
  lane.cursor = lane.hole?.from ?? lane.stored + 1
  contact.lanes.set(number, lane)
  if (lane.endedAtMs === undefined) contact.byChannel.set(channel, lane)
}

interface Place {
  readonly lane: Lane
  readonly first: number
  readonly maybeDuplicate: boolean
}

async function loadRuns(book: Book, byHidden: ReadonlyMap<string, ContactLanes>): Promise<void> {
  const byLane = new Map<Lane, Entry[]>()
  let hasDamage = false
  for await (const stored of book.deps.store.range('outbox')) {
    const place = parseRunKey(stored.key)
    if (place === undefined) continue
    const contact = byHidden.get(place.hidden)
    const home = contact?.lanes.get(place.lane)
    const record = openRun(book, stored)
    if (home === undefined || record === undefined) {
      setAside(book, stored)
      hasDamage = true
      continue
    }
    const now = follow(contact as ContactLanes, home, place.first)
    if (now === undefined) {
      book.delete({}, 'outbox', stored.key)
      continue
    }
    const entry = restoreEntry(book, home, place.first, now, record)
    const entries = byLane.get(now.lane)
    if (entries === undefined) byLane.set(now.lane, [entry])
    else entries.push(entry)
  }
  for (const contact of book.contacts.values()) {
    for (const lane of contact.lanes.values()) {
      if (lane.endedAtMs === undefined && fillLane(book, lane, byLane.get(lane) ?? [])) hasDamage = true
    }
  }
  if (hasDamage) await book.commit.synced()
}

/** Where the message that was number `first` of `lane` stands now; undefined where its lane is over and it did not move on. */
function follow(contact: ContactLanes, lane: Lane, first: number, maybeDuplicate = false): Place | undefined {
  if (lane.endedAtMs === undefined) return { lane, first, maybeDuplicate }
  const moved = lane.moved.find(({ from, to }) => first >= from && first <= to)
  const next = moved === undefined ? undefined : contact.lanes.get(moved.lane)
  if (moved === undefined || next === undefined) return undefined
  return follow(contact, next, moved.first + first - moved.from, maybeDuplicate || moved.maybeDuplicate)
}

function restoreEntry(book: Book, home: Lane, homeFirst: number, now: Place, record: RunRecord): Entry {
  const { kind, count, acceptedAt, acceptedMs, ttlMs, bodies } = record
  let bytes = 0
  let largestBytes = 0
  for (const body of bodies) {
    bytes += body.length
    largestBytes = Math.max(largestBytes, body.length)
  }
  home.homeCount++
  return new Entry(now.lane, {
    ...{ kind, first: now.first, count, bytes, largestBytes, acceptedAt, acceptedMs, ttlMs, home, homeFirst },
    tag: hexOf(record.tag),
    fingerprint: book.laneContact(home).intern(record.fingerprint),
    maybeDuplicate: record.maybeDuplicate || now.maybeDuplicate
  })
}

/** Queues what was read. Numbers that no record has any more are lost: true then. */
function fillLane(book: Book, lane: Lane, entries: readonly Entry[]): boolean {
  const contact = book.laneContact(lane)
  let next = lane.stored + 1
  let hasHole = false
  for (const entry of [...entries].sort((a, b) => a.first - b.first)) {
    if (entry.kind === 'expiring') contact.expiring.add(entry)
    if (entry.last <= lane.stored) {
      if (entry.kind === 'expiring') lane.unsettled.add(entry)
      else book.deleteEntry(entry)
      continue
    }
    if (entry.first > next) {
      lose(book, lane, next, entry.first - 1)
      hasHole = true
    }
    lane.push(entry)
    next = entry.last + 1
    if (entry.kind !== 'run') continue
    book.count(entry, entry.count, entry.bytes)
    book.expiry.add(entry)
  }
  if (next < lane.next) {
    lose(book, lane, next, lane.next - 1)
    hasHole = true
  }
  return hasHole
}

/** The record with these numbers is gone: they become a skip. */
function lose(book: Book, lane: Lane, from: number, to: number): void {
  const now = book.nowMs()
  const fields = { bytes: 0, largestBytes: 0, acceptedAt: book.deps.clock.wallMs(), acceptedMs: now, ttlMs: 0, tag: '' }
  const count = to - from + 1
  const skip = {
    kind: 'skip',
    fingerprint: new Uint8Array(),
    maybeDuplicate: false,
    home: lane,
    homeFirst: from
  } as const
  const entry = new Entry(lane, { ...fields, ...skip, first: from, count })
  lane.homeCount++
  lane.push(entry)
  lane.reject(from, to, 'RECORD_DAMAGED')
  book.changeEntry(entry)
  book.writeLane(lane)
  book.tellSynced(lane, from, to, 'rejected', { reason: 'RECORD_DAMAGED' })
  book.commit.afterwards(() => {
    book.entrySynced(entry)
    tellDamage(book, lane, from, to)
  })
}

function openRun(book: Book, { key, value }: StoreEntry): RunRecord | undefined {
  try {
    const record = openRecord(book.deps.sealer, RUN, key, value)
    const isWhole = record.count > 0 && (record.kind !== 'run' || record.count === record.bodies.length)
    return isWhole ? record : undefined
  } catch (error) {
    if (error instanceof DaemonError && error.code === 'RECORD_DAMAGED') return undefined
    throw error
  }
}

function setAside(book: Book, { key, value }: StoreEntry): void {
  book.commit.write({}, () => ({ type: 'put', sublevel: 'outbox', key: damagedKey(key), value }))
  book.delete({}, 'outbox', key)
}
