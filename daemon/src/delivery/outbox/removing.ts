import { DaemonError } from '../../errors.ts'
import type { Range } from '../ranges.ts'
import type { Book } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import { Entry } from './entry.ts'
import { idsOf, type Lane } from './lane.ts'
import { contactKey, laneKey } from './records.ts'
import { statesOf } from './states.ts'

/** Numbers of a lane and what is done with them. */
export interface LaneRange extends Range {
  readonly lane: Lane
}

/** Above so many changes all of a lane is looked at once: to take each out of a long queue by itself would cost its length each time. */
const JOINED_SINGLY_MAX = 16

/** Makes skips out of messages: cancelled, expired, or such as cannot be sent. */
export class Removing {
  readonly #book: Book

  constructor(book: Book) {
    this.#book = book
  }

  /** All or nothing. @throws {DaemonError} as `OutboxApi.cancel`, on the caller's stack */
  cancel(ranges: readonly LaneRange[]): Promise<void> {
    const book = this.#book
    const cancelled: LaneRange[] = []
    for (const { lane, from, to } of ranges) {
      for (const range of statesOf(lane, from, to, () => undefined)) {
        if (range.state === 'cancelled') continue
        if (range.state === 'expired' && range.reached === 'no')
          throw new DaemonError('NO_SUCH_MESSAGE', 'a message there has expired')
        if (range.state !== 'accepted') throw new DaemonError('ALREADY_SENT', 'a message there is on its way')
        cancelled.push({ lane, from: range.from, to: range.to })
      }
    }
    for (const { lane, from, to } of cancelled) {
      const isDuplicate = lane.within(from, to).some(entry => entry.maybeDuplicate)
      if (isDuplicate) throw new DaemonError('ALREADY_SENT', 'a message there may have arrived before a restore')
      const isCut = (entry: Entry) => entry.kind === 'run' && (entry.first < from || entry.last > to)
      if (lane.within(from, to).some(entry => isCut(entry) && this.#read(entry) === undefined)) throw damaged()
    }
    const changed = cancelled.flatMap(({ lane, from, to }) => {
      const entries = lane.within(from, to).filter(entry => entry.kind === 'run')
      const touched = entries.flatMap(entry => this.#cut(entry, number => number >= from && number <= to))
      for (const { from: low, to: high } of lane.cancelled.add(from, to)) {
        book.tellSynced(lane, low, high, 'cancelled')
      }
      book.writeLane(lane)
      return touched
    })
    this.#afterwards(changed, new Set(cancelled.map(({ lane }) => lane)))
    return book.commit.synced()
  }

  /**
   * Takes back messages that wait for the owner. Of those that were on a wire nobody knows what became of them: they expire.
   *
   * @param entries - runs, synced
   */
  cancelHeld(entries: readonly Entry[]): Promise<void> {
    const isSent = ({ lane, first, maybeDuplicate }: Entry) => first <= lane.sentThrough || maybeDuplicate
    const sent = entries.filter(isSent)
    for (const entry of sent) {
      // Whatever another daemon says of it is no word of the one that may have it.
      entry.maybeDuplicate = true
      this.#book.expiry.remove(entry)
      this.#expire(entry)
    }
    if (sent.length > 0) this.#afterwards(sent, new Set(sent.map(({ lane }) => lane)))
    const waiting = entries.filter(entry => !isSent(entry) && !sent.includes(entry))
    return this.cancel(waiting.map(({ lane, first, last }) => ({ lane, from: first, to: last })))
  }

  /** Makes everything whose time is over expire, but not while the clock is in doubt. */
  expire(): void {
    const book = this.#book
    const now = book.nowMs()
    if (now < book.elapsed.holdUntilMs) return
    const changed: Entry[] = []
    const lanes = new Set<Lane>()
    for (let entry = book.expiry.soonest; entry !== undefined && entry.expiresMs <= now; entry = book.expiry.soonest) {
      book.expiry.remove(entry)
      // It comes again once it is on the disk.
      if (!entry.isSynced) continue
      this.#expire(entry)
      changed.push(entry)
      lanes.add(entry.lane)
    }
    if (changed.length > 0) this.#afterwards(changed, lanes)
  }

  /** Gives up on messages of which nobody knows whether they arrived, where their peer was silent for long. */
  giveUp(): void {
    const book = this.#book
    const now = book.nowMs()
    const { maybeAfterMs } = book.deps.options
    for (const contact of book.contacts.values()) {
      if (contact.expiring.size === 0) continue
      const isSilent = contact.attachment === undefined && now - contact.heardMs >= maybeAfterMs
      for (const entry of [...contact.expiring]) {
        // A peer that has forgotten what it skipped never says more of what it confirmed.
        const isUntold = entry.lane.unsettled.has(entry) && now - entry.expiresMs >= maybeAfterMs
        if (entry.isSynced && (isSilent || isUntold)) this.finishExpiring(entry, 'maybe', true)
      }
    }
  }

  /** What became of a message whose time is over is known now. */
  finishExpiring(entry: Entry, reached: 'no' | 'maybe', isSynced: boolean): void {
    const book = this.#book
    const { lane, first, last } = entry
    const outcome = entry.maybeDuplicate ? 'maybe' : reached
    book.release(entry)
    const set = outcome === 'no' ? lane.expiredNo : lane.expiredMaybe
    set.add(first, last)
    entry.kind = 'skip'
    if (lane.unsettled.delete(entry)) {
      book.deleteEntry(entry)
      if (lane.isEmpty) lane.idleSinceMs = book.nowMs()
    } else if (isSynced) book.changeEntry(entry)
    else book.writeEntry(entry)
    lane.forgetOldest()
    book.writeLane(lane)
    if (!isSynced) book.tell(lane, first, last, 'expired', { reached: outcome })
    else {
      book.tellSynced(lane, first, last, 'expired', { reached: outcome })
      if (!entry.isGone) this.#afterwards([entry], new Set([lane]))
    }
  }

  /** Skips the messages that are larger than the peer takes. */
  tooLarge(entry: Entry, messageBytesMax: number): void {
    const book = this.#book
    const bodies = this.#read(entry)
    if (bodies === undefined) return
    const isTooLarge = (number: number) => (bodies[number - entry.first]?.length ?? 0) > messageBytesMax
    const { lane, first, last } = entry
    const changed = this.#cut(entry, isTooLarge)
    for (let number = first; number <= last; number++) {
      if (isTooLarge(number)) this.#rejectHere(lane, number, number, 'TOO_LARGE')
    }
    book.writeLane(lane)
    this.#afterwards(changed, new Set([lane]))
  }

  /** A record does not open: it is set aside, and its messages are skipped. Nothing happens where the store cannot be read. */
  unreadable(entry: Entry, error: unknown): void {
    const book = this.#book
    if (!(error instanceof DaemonError)) throw error
    if (error.code !== 'RECORD_DAMAGED') return
    const { lane, first, last } = entry
    book.setAside(entry)
    book.release(entry)
    entry.kind = 'skip'
    book.changeEntry(entry)
    this.#rejectHere(lane, first, last, 'RECORD_DAMAGED')
    book.writeLane(lane)
    this.#afterwards([entry], new Set([lane]))
    book.commit.afterwards(() => tellDamage(book, lane, first, last))
  }

  /** Drops what is queued for a contact. `removed` forgets its past as well. */
  forgetContact(contact: ContactLanes, why: 'blocked' | 'removed'): void {
    const book = this.#book
    contact.attachment?.end()
    contact.attachment = undefined
    for (const lane of [...contact.lanes.values()]) {
      for (const entry of lane.clear()) {
        const wasWaiting = entry.kind !== 'skip'
        book.release(entry)
        book.deleteEntry(entry)
        const { first, last } = entry
        if (wasWaiting) book.tellSynced(lane, first, last, 'cancelled', { reason: 'REMOVED' })
      }
      this.forgetLane(contact, lane)
    }
    if (contact.epoch !== undefined) contact.rememberEpoch(contact.epoch)
    contact.epoch = undefined
    if (why === 'blocked') book.writeContact(contact)
    else {
      book.contacts.delete(contact.contact)
      for (const epoch of contact.former) book.epochs.delete(epoch)
      book.delete(contact, 'lanes', contactKey(contact.hidden))
    }
    book.commit.afterwards(() => {})
  }

  forgetLane(contact: ContactLanes, lane: Lane): void {
    contact.lanes.delete(lane.number)
    if (contact.byChannel.get(lane.channel) === lane) contact.byChannel.delete(lane.channel)
    contact.attachment?.forget(lane)
    this.#book.delete(lane, 'lanes', laneKey(contact.hidden, lane.number))
  }

  #expire(entry: Entry): void {
    const book = this.#book
    const { lane, first, last } = entry
    const contact = book.laneContact(lane)
    const wasSent = last <= lane.sentThrough
    book.release(entry)
    entry.kind = wasSent ? 'expiring' : 'skip'
    book.changeEntry(entry)
    if (wasSent) {
      contact.expiring.add(entry)
      // Meanwhile a receipt may have told more.
      book.tellSynced(lane, first, last, 'expiring', {}, () => contact.expiring.has(entry))
      return
    }
    const reached = entry.maybeDuplicate ? 'maybe' : 'no'
    const set = reached === 'no' ? lane.expiredNo : lane.expiredMaybe
    set.add(first, last)
    book.writeLane(lane)
    book.tellSynced(lane, first, last, 'expired', { reached })
  }

  #rejectHere(lane: Lane, from: number, to: number, reason: string): void {
    const book = this.#book
    for (const range of lane.reject(from, to, reason)) {
      book.tellSynced(lane, range.from, range.to, 'rejected', { reason })
    }
  }

  /**
   * Cuts a run into runs and skips. The last part keeps the tag: should the whole run have been on a wire, the receiver knows it by that.
   * Returns what has changed; `#afterwards` is told of it.
   */
  #cut(entry: Entry, isSkipped: (number: number) => boolean): Entry[] {
    const book = this.#book
    const { lane, first, last, tag } = entry
    const parts: { from: number; to: number; isSkip: boolean }[] = []
    for (let number = first; number <= last; number++) {
      const part = parts.at(-1)
      const isSkip = isSkipped(number)
      if (part?.isSkip === isSkip) part.to = number
      else parts.push({ from: number, to: number, isSkip })
    }
    const bodies = parts.some(({ isSkip }) => !isSkip) ? this.#read(entry) : []
    if (bodies === undefined) throw damaged()
    book.release(entry)
    const entries = parts.map(({ from, to, isSkip }, index) => {
      const own = isSkip ? [] : bodies.slice(from - first, to - first + 1)
      const fields = {
        kind: isSkip ? ('skip' as const) : ('run' as const),
        count: to - from + 1,
        bytes: own.reduce((sum, body) => sum + body.length, 0),
        largestBytes: own.reduce((most, body) => Math.max(most, body.length), 0),
        tag: index === parts.length - 1 ? tag : book.newTag()
      }
      const part =
        index === 0
          ? Object.assign(entry, fields)
          : new Entry(lane, { ...entry, ...fields, first: from, homeFirst: entry.homeFirst + from - first })
      if (index > 0) part.home.homeCount++
      part.bodies = isSkip ? undefined : own
      if (!isSkip) book.count(part, part.count, part.bytes)
      book.changeEntry(part)
      return part
    })
    lane.replace([entry], entries)
    return entries
  }

  #read(entry: Entry): readonly Uint8Array[] | undefined {
    try {
      return this.#book.bodies(entry)
    } catch (error) {
      this.unreadable(entry, error)
      return undefined
    }
  }

  #afterwards(changed: readonly Entry[], lanes: ReadonlySet<Lane>): void {
    this.#book.commit.afterwards(() => this.#synced(changed, lanes))
  }

  #synced(changed: readonly Entry[], lanes: ReadonlySet<Lane>): void {
    const byLane = new Map([...lanes].map(lane => [lane, [] as Entry[]]))
    for (const entry of changed) {
      this.#book.entrySynced(entry)
      byLane.get(entry.lane)?.push(entry)
    }
    for (const [lane, entries] of byLane) {
      lane.forgetOldest()
      this.#joinSkips(lane, entries)
      this.#book.laneContact(lane).attachment?.refresh(lane)
    }
  }

  /** Skips that touch become one, so that there are never more of them than of runs. */
  #joinSkips(lane: Lane, changed: readonly Entry[]): void {
    const isFinal = (entry: Entry | undefined): entry is Entry =>
      entry?.kind === 'skip' && entry.isSynced && !entry.isGone
    if (changed.length > JOINED_SINGLY_MAX) {
      lane.joinAll((before, entry) => {
        const isJoined = isFinal(before) && isFinal(entry)
        if (isJoined) this.#join(before, entry)
        return isJoined
      })
      return
    }
    const replace = (first: Entry, second: Entry) => {
      lane.replace([first, second], [first])
      this.#join(first, second)
      return first
    }
    for (const entry of changed) {
      if (lane.at(entry.first) !== entry || !isFinal(entry)) continue
      const before = lane.at(entry.first - 1)
      const joined = isFinal(before) ? replace(before, entry) : entry
      const after = lane.at(joined.last + 1)
      if (isFinal(after)) replace(joined, after)
    }
  }

  #join(first: Entry, second: Entry): void {
    first.count += second.count
    first.tag = second.tag
    this.#book.writeEntry(first)
    this.#book.deleteEntry(second)
    this.#book.tidy()
  }
}

/** Messages were in a record that does not open. */
export function tellDamage(book: Book, lane: Lane, from: number, to: number): void {
  const { emit, log, health } = book.deps
  for (const named of lane.named(from, to)) {
    const ids = idsOf(named)
    emit({ kind: 'store.damaged', sublevel: 'outbox', ids })
    log.error({ sublevel: 'outbox', ids }, 'a record of the store does not open and was set aside')
  }
  health.report('outbox', {
    state: 'degraded',
    code: 'RECORD_DAMAGED',
    detail: 'queued messages were lost: their record does not open',
    action: 'Look into the log for their IDs, and send them again; check the disk.'
  })
}

function damaged(): DaemonError {
  return new DaemonError('RECORD_DAMAGED', 'a record in outbox does not open', { data: { sublevel: 'outbox' } })
}
