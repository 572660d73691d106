import type { EventBody, MessageState } from '@parley/client-sdk/contract'
import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { HealthBoard } from '../../observe/health.ts'
import type { Log } from '../../observe/log-port.ts'
import type { RandomBytes } from '../../random.ts'
import type { Store, StoreWrite } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import { GroupCommit } from '../commit.ts'
import { TAG_BYTES } from '../port.ts'
import { ContactLanes } from './contact-lanes.ts'
import type { ElapsedClock } from './elapsed-clock.ts'
import type { Entry } from './entry.ts'
import { Expiry } from './expiry.ts'
import { idsOf, type Lane } from './lane.ts'
import {
  CONTACT,
  contactKey,
  damagedKey,
  LANE,
  laneKey,
  openRecord,
  putRecord,
  RUN,
  runKey,
  TIME,
  TIME_KEY
} from './records.ts'
import { statesOf } from './states.ts'

export interface OutboxOptions {
  readonly laneCountMax: number
  readonly outboxBytesMax: number
  readonly outboxContactBytesMax: number
  readonly outboxLaneBytesMax: number
  readonly outboxMessageCountMax: number
  readonly outboxLaneMessageCountMax: number
  readonly maybeAfterMs: number
  readonly laneIdleMs: number
  readonly clockStepMs: number
  readonly clockStepHoldMs: number
  readonly epochCountPerHourMax: number
  readonly clientCountMax: number
  readonly clientKeptMs: number
  readonly bodyCacheBytesMax: number
}

export interface OutboxDeps {
  /** Open. */
  readonly store: Pick<Store, 'get' | 'range' | 'batch'>
  readonly sealer: Sealer
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly emit: (body: EventBody) => void
  readonly log: Log
  readonly health: Pick<HealthBoard, 'report' | 'clear'>
  readonly options: OutboxOptions
  /** What the owner calls the contact now. */
  readonly contactName: (contact: string) => string
  /** Whether there is such a contact; what is kept of others is dropped at the start. Without it everybody is one. */
  readonly isContact?: (contact: string) => boolean
  /** Whether what was accepted for a key may go to the key that the contact has now. Without it everything may. */
  readonly mayGoTo?: (contact: string, fingerprint: Uint8Array) => boolean
}

export interface BookDeps extends OutboxDeps {
  readonly elapsed: ElapsedClock
  /** Runs code as a part of the outbox. */
  readonly run: (code: () => void) => void
  readonly failed: (error: unknown) => void
}

type TellMore = { readonly reached?: 'no' | 'maybe'; readonly reason?: string }

/** That messages have come further, which waits for the disk. */
export interface Untold extends TellMore {
  readonly lane: Lane
  readonly from: number
  readonly to: number
  readonly state: MessageState
}

/** What a receipt changed waits so long for company on its way to the disk. */
const TIDY_DELAY_MS = 200

/** Everything that the outbox holds in memory, and how it gets to the disk. Made anew from the disk after a loss of the store. */
export class Book {
  readonly deps: BookDeps
  readonly commit: GroupCommit
  readonly elapsed: ElapsedClock
  readonly expiry: Expiry = new Expiry()
  readonly contacts: Map<string, ContactLanes> = new Map()
  /** By every epoch that is or was theirs. */
  readonly epochs: Map<string, ContactLanes> = new Map()
  /** What was to be told once it was on disk, and is not. */
  readonly untold: Set<Untold> = new Set()
  isLost = false
  messageCount = 0
  bytes = 0
  costBytes = 0
  committedMessages = 0
  #cachedBytes = 0
  #isTidying = false

  constructor(deps: BookDeps) {
    this.deps = deps
    this.elapsed = deps.elapsed
    const { store, clock, run, failed } = deps
    this.commit = new GroupCommit({ store, clock, run, failed })
  }

  lose(): void {
    this.isLost = true
    this.commit.lose()
  }

  nowMs(): number {
    return this.elapsed.nowMs()
  }

  /** Whether messages wait for the owner: they were accepted for another key of their contact. */
  isHeld({ kind, fingerprint, lane }: Entry): boolean {
    return kind === 'run' && this.deps.mayGoTo?.(lane.contact, fingerprint) === false
  }

  contactOf(contact: string): ContactLanes {
    const known = this.contacts.get(contact)
    if (known !== undefined) return known
    const made = new ContactLanes(contact, this.deps.sealer.hiddenName('outbox', contact))
    this.contacts.set(contact, made)
    return made
  }

  laneContact(lane: Lane): ContactLanes {
    return this.contactOf(lane.contact)
  }

  newEpoch(contact: ContactLanes): void {
    contact.epoch = Buffer.from(this.deps.randomBytes(16)).toString('hex')
    this.epochs.set(contact.epoch, contact)
  }

  newTag(): string {
    return Buffer.from(this.deps.randomBytes(TAG_BYTES)).toString('hex')
  }

  /** Makes the lane's record part of the next batch. */
  writeLane(lane: Lane): void {
    this.commit.write(lane, () => {
      const contact = this.laneContact(lane)
      if (lane.endedAtMs === undefined && contact.isSending(this.nowMs())) lane.takenThrough = lane.next - 1
      lane.writtenThrough = lane.takenThrough
      return putRecord(this.deps.sealer, LANE, laneKey(contact.hidden, lane.number), laneRecord(lane))
    })
  }

  writeContact(contact: ContactLanes): void {
    this.commit.write(contact, () => {
      const { epoch = null, nextLane, former, epochTimesMs, heardMs, isMet } = contact
      const record = { contact: contact.contact, epoch, nextLane, former, epochTimesMs, heardMs, isMet }
      return putRecord(this.deps.sealer, CONTACT, contactKey(contact.hidden), record)
    })
  }

  writeTime(): void {
    this.commit.write(this.elapsed, () => putRecord(this.deps.sealer, TIME, TIME_KEY, this.elapsed.kept()))
  }

  /** Makes the entry's record, as it will be when the batch is written, part of it. */
  writeEntry(entry: Entry): void {
    this.commit.write(entry, () => this.#putEntry(entry))
  }

  /** As `writeEntry`, and the entry is not taken before that is on disk. Whoever calls it calls `afterwards`, and `entrySynced` then. */
  changeEntry(entry: Entry): void {
    entry.unsyncedCount++
    this.writeEntry(entry)
  }

  entrySynced(entry: Entry): void {
    entry.unsyncedCount--
    if (!entry.isSynced || entry.kind !== 'run' || entry.isGone) return
    if (entry.expiryIndex < 0) this.expiry.add(entry)
    if (entry.bodies === undefined) return
    if (this.#cachedBytes + entry.bytes > this.deps.options.bodyCacheBytesMax) entry.bodies = undefined
    else if (!entry.isCached) {
      entry.isCached = true
      this.#cachedBytes += entry.bytes
    }
  }

  deleteEntry(entry: Entry): void {
    entry.home.homeCount--
    entry.isGone = true
    this.delete(entry, 'outbox', this.entryKey(entry))
  }

  entryKey(entry: Entry): Uint8Array {
    return runKey(this.laneContact(entry.home).hidden, entry.home.number, entry.homeFirst)
  }

  delete(subject: object, sublevel: StoreWrite['sublevel'], key: Uint8Array): void {
    this.commit.write(subject, () => ({ type: 'delete', sublevel, key }))
  }

  /** Sees to it that what was given to be written is written soon: it does not matter whether a crash comes before. */
  tidy(): void {
    if (this.#isTidying) return
    this.#isTidying = true
    this.deps.clock.timer(TIDY_DELAY_MS, () => {
      this.#isTidying = false
      this.commit.afterwards(() => {})
    })
  }

  /** Counts a run as queued. */
  count(entry: Entry, count: number, bytes: number): void {
    const contact = this.laneContact(entry.lane)
    const costBytes = bytes + 128 * count
    for (const holder of [entry.lane, contact, this]) {
      holder.messageCount += count
      holder.costBytes += costBytes
    }
    contact.bytes += bytes
    this.bytes += bytes
  }

  /** The run is no message to be sent any more: it counts nothing, expires never, and its bodies go. */
  release(entry: Entry): void {
    if (entry.kind === 'run') this.count(entry, -entry.count, -entry.bytes)
    this.expiry.remove(entry)
    this.laneContact(entry.lane).expiring.delete(entry)
    this.uncache(entry)
  }

  uncache(entry: Entry): void {
    if (entry.isCached) this.#cachedBytes -= entry.bytes
    entry.isCached = false
    entry.bodies = undefined
  }

  /** @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  bodies(entry: Entry): readonly Uint8Array[] {
    if (entry.bodies !== undefined) return entry.bodies
    const key = this.entryKey(entry)
    const sealed = this.deps.store.get('outbox', key)
    const record = sealed === undefined ? undefined : openRecord(this.deps.sealer, RUN, key, sealed)
    if (record?.bodies.length !== entry.count) {
      throw new DaemonError('RECORD_DAMAGED', 'a record in outbox is not what it was', { data: { sublevel: 'outbox' } })
    }
    return record.bodies
  }

  /** Moves the entry's record, such as it is, to where nothing reads it. */
  setAside(entry: Entry): void {
    const key = this.entryKey(entry)
    const value = this.deps.store.get('outbox', key)
    if (value === undefined) return
    this.commit.write({}, () => ({ type: 'put', sublevel: 'outbox', key: damagedKey(key), value }))
  }

  /** Tells that messages have come further, under the IDs that their app was given. */
  tell(lane: Lane, from: number, to: number, state: MessageState, more: TellMore = {}): void {
    const { contact, channel } = lane
    for (const named of lane.named(from, to)) {
      this.deps.emit({ kind: 'message.state', contact, channel, ...idsOf(named), state, ...more })
    }
  }

  /** As `tell`, once what was given to be written is on disk, where that is still so then. */
  tellSynced(
    lane: Lane,
    from: number,
    to: number,
    state: MessageState,
    more: TellMore = {},
    isSoStill: () => boolean = () => true
  ): void {
    const untold: Untold = { lane, from, to, state, ...more }
    this.untold.add(untold)
    this.commit.afterwards(() => {
      this.untold.delete(untold)
      if (isSoStill()) this.tell(lane, from, to, state, more)
    })
  }

  /** Tells what the book before this one had no time for, as far as the disk says that it is so: its batch failed and is there all the same. */
  tellLate({ lane: before, from, to, state, ...more }: Untold): void {
    const contact = this.contacts.get(before.contact)
    const lane = contact?.lanes.get(before.number)
    if (lane?.epoch === before.epoch) {
      for (const range of statesOf(lane, from, to, number => contact?.lanes.get(number))) {
        const { from: low, to: high, state: now, ...how } = range
        if (now === state) this.tell(lane, low, high, now, how)
      }
    } else if (contact === undefined || contact.epoch !== before.epoch || before.number < contact.nextLane) {
      // The lane is gone, with all that was in it.
      this.tell(before, from, to, state, more)
    }
  }

  #putEntry(entry: Entry): StoreWrite {
    entry.isGathering = false
    const { kind, count, acceptedAt, acceptedMs, ttlMs, fingerprint, maybeDuplicate } = entry
    const tag = new Uint8Array(Buffer.from(entry.tag, 'hex'))
    const bodies = kind === 'run' ? [...this.bodies(entry)] : []
    const record = { kind, count, acceptedAt, acceptedMs, ttlMs, tag, fingerprint, maybeDuplicate, bodies }
    return putRecord(this.deps.sealer, RUN, this.entryKey(entry), record)
  }
}

function laneRecord(lane: Lane) {
  const { contact, channel, epoch, number, next, stored, storedTag, isStoredBySkip, takenThrough } = lane
  const { forgottenThrough, rejected, origins, moved, idleSinceMs } = lane
  return {
    ...{ contact, channel, epoch, number, next, stored, storedTag, isStoredBySkip, takenThrough },
    ...{ forgottenThrough, rejected, origins, moved, idleSinceMs },
    hole: lane.hole ?? null,
    handled: [...lane.handled.ranges],
    cancelled: [...lane.cancelled.ranges],
    expiredNo: [...lane.expiredNo.ranges],
    expiredMaybe: [...lane.expiredMaybe.ranges],
    endedAtMs: lane.endedAtMs ?? null
  }
}
