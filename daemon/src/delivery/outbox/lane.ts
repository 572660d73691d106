import type { IdRange } from '@parley/client-sdk/contract'
import { idRange } from '../message-id.ts'
import { type Range, RangeSet } from '../ranges.ts'
import type { Entry } from './entry.ts'

/** Numbers of a lane, and those by which their app knows them: the n-th from `from` is the n-th from `first` there. */
export interface Origin extends Range {
  readonly epoch: string
  readonly lane: number
  readonly first: number
}

/** Numbers of a lane of a former epoch that have others now. */
export interface Moved extends Range {
  readonly lane: number
  readonly first: number
  /** They may have arrived under the former ones. */
  readonly maybeDuplicate: boolean
}

export interface Rejection extends Range {
  readonly reason: string
}

export interface LaneIdentity {
  readonly contact: string
  readonly channel: string
  /** Hexadecimal. */
  readonly epoch: string
  readonly number: number
}

/** Ranges of one kind that a lane remembers. */
const RANGE_COUNT_MAX = 512
const REJECTION_COUNT_MAX = 128

/**
 * One durable lane of the sender: its numbers, what became of them, and the queue of those that the receiver has not confirmed.
 * Plain state: it writes nothing and tells nobody.
 */
export class Lane {
  readonly contact: string
  readonly channel: string
  readonly epoch: string
  readonly number: number
  /** The number that the next message gets. */
  next = 1
  /** Up to here the receiver has everything, as message or as skipped. */
  stored = 0
  /** Of the run that ended at `stored`; hexadecimal, empty where there was none. */
  storedTag = ''
  /** `stored` may have been reached by a skip: then the receiver has no tag. */
  isStoredBySkip = false
  /** Numbers up to here may be on a wire once this is on disk. */
  takenThrough = 0
  /** `takenThrough` in the batch in flight. */
  writtenThrough = 0
  /** `takenThrough` as it is on disk: what may be taken. */
  takeableThrough = 0
  /** Up to here numbers may have been on a wire, as exactly as this process knows. */
  sentThrough = 0
  /** The number to take next. */
  cursor = 1
  /** Numbers that the receiver had confirmed and has forgotten. They are skipped. */
  hole: Range | undefined
  /** Numbers up to here are answered for no more. */
  forgottenThrough = 0
  readonly handled: RangeSet = new RangeSet()
  readonly cancelled: RangeSet = new RangeSet()
  readonly expiredNo: RangeSet = new RangeSet()
  readonly expiredMaybe: RangeSet = new RangeSet()
  /** Ascending, apart from each other. */
  rejected: Rejection[] = []
  /** Messages whose time was over and that the receiver has, in one way or the other: a receipt will tell which. */
  readonly unsettled: Set<Entry> = new Set()
  origins: Origin[] = []
  moved: Moved[] = []
  /** Elapsed time since which nothing is queued. */
  idleSinceMs = 0
  /** Elapsed time at which its epoch ended. */
  endedAtMs: number | undefined
  /** Records that lie under this lane's number. */
  homeCount = 0
  messageCount = 0
  costBytes = 0
  #entries: Entry[] = []
  #start = 0

  constructor({ contact, channel, epoch, number }: LaneIdentity) {
    this.contact = contact
    this.channel = channel
    this.epoch = epoch
    this.number = number
  }

  get isEmpty(): boolean {
    return this.#start === this.#entries.length && this.unsettled.size === 0
  }

  get head(): Entry | undefined {
    return this.#entries[this.#start]
  }

  get last(): Entry | undefined {
    return this.isQueueEmpty ? undefined : this.#entries.at(-1)
  }

  get isQueueEmpty(): boolean {
    return this.#start === this.#entries.length
  }

  /** The first messages that are to be sent, or sent again. */
  get oldestRun(): Entry | undefined {
    for (let index = this.#start; index < this.#entries.length; index++) {
      const entry = this.#entries[index]
      if (entry?.kind === 'run') return entry
    }
    return undefined
  }

  /** What waits, by number. */
  entries(): readonly Entry[] {
    return this.#entries.slice(this.#start)
  }

  /** The entry that holds `number`. */
  at(number: number): Entry | undefined {
    const entry = this.#entries[this.#indexOf(number)]
    return entry !== undefined && entry.first <= number ? entry : undefined
  }

  /** Entries that hold any of `from` to `to`. */
  within(from: number, to: number): Entry[] {
    const found: Entry[] = []
    for (let index = this.#indexOf(from); ; index++) {
      const entry = this.#entries[index]
      if (entry === undefined || entry.first > to) return found
      found.push(entry)
    }
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Puts others, which hold the same numbers, in the place of consecutive entries. */
  replace(old: readonly Entry[], by: readonly Entry[]): void {
    const first = old[0]
    if (first === undefined) return
    this.#entries.splice(this.#indexOf(first.first), old.length, ...by)
  }

  /** Goes through all that waits, and takes out each entry that `isJoined` has made a part of the one before it. */
  joinAll(isJoined: (before: Entry, entry: Entry) => boolean): void {
    const kept: Entry[] = []
    for (const entry of this.entries()) {
      const before = kept.at(-1)
      if (before === undefined || !isJoined(before, entry)) kept.push(entry)
    }
    this.#entries = kept
    this.#start = 0
  }

  /** Takes everything out. */
  clear(): Entry[] {
    const entries = this.entries().concat([...this.unsettled])
    this.#entries = []
    this.#start = 0
    this.unsettled.clear()
    return entries as Entry[]
  }

  /** False where `to` lies inside a run: no receiver stores a part of one. */
  mayEndAt(to: number): boolean {
    const entry = this.at(to)
    return entry === undefined || entry.last === to || entry.kind === 'skip'
  }

  /** Moves `stored` on to `to`, and takes out the entries that end there or before. */
  advance(to: number): Entry[] {
    const start = this.#start
    for (let entry = this.head; entry !== undefined && entry.last <= to; entry = this.head) {
      this.#start++
      this.stored = entry.last
      this.storedTag = entry.tag
      this.isStoredBySkip = entry.kind !== 'run'
    }
    const removed = this.#entries.slice(start, this.#start)
    if (this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start)
      this.#start = 0
    }
    if (this.hole !== undefined && to >= this.hole.to) this.hole = undefined
    if (this.hole === undefined) this.cursor = Math.max(this.cursor, this.stored + 1)
    this.sentThrough = Math.max(this.sentThrough, this.stored)
    return removed
  }

  reject(from: number, to: number, reason: string): Range[] {
    const known = new RangeSet(this.rejected)
    const added = known.missing(from, to)
    if (added.length === 0) return added
    this.rejected = [...this.rejected, ...added.map(range => ({ ...range, reason }))]
      .sort((a, b) => a.from - b.from)
      .reduce<Rejection[]>(joinRejection, [])
    return added
  }

  /**
   * Keeps the lists short: what is oldest in one that is too long is forgotten, with everything before it, but nothing that still waits
   * to be stored.
   */
  forgetOldest(): void {
    const bound = (ranges: readonly Range[], countMax: number) => {
      const excess = ranges[ranges.length - countMax - 1]
      if (excess === undefined) return
      this.forgottenThrough = Math.max(this.forgottenThrough, Math.min(excess.to, this.stored))
    }
    bound(this.rejected, REJECTION_COUNT_MAX)
    const sets = [this.handled, this.cancelled, this.expiredNo, this.expiredMaybe]
    for (const set of sets) bound(set.ranges, RANGE_COUNT_MAX)
    for (const set of sets) set.dropThrough(this.forgottenThrough)
    this.rejected = this.rejected.filter(({ from }) => from > this.forgottenThrough)
  }

  /** The numbers of which no app was told a last word. */
  withoutLastWord(from: number, to: number): readonly Range[] {
    const final = new RangeSet()
    if (this.forgottenThrough > 0) final.add(1, this.forgottenThrough)
    for (const ranges of [
      this.cancelled.within(from, to),
      this.expiredNo.within(from, to),
      this.expiredMaybe.within(from, to),
      this.handled.within(from, to),
      this.rejected,
      this.moved
    ]) {
      for (const range of ranges) final.add(range.from, range.to)
    }
    return final.missing(from, to)
  }

  /** The numbers, as their app knows them. */
  named(from: number, to: number): Origin[] {
    const { epoch, number: lane } = this
    const named: Origin[] = []
    let next = from
    for (const origin of this.origins) {
      if (origin.to < next || origin.from > to) continue
      if (origin.from > next) named.push({ from: next, to: origin.from - 1, epoch, lane, first: next })
      const low = Math.max(next, origin.from)
      const high = Math.min(to, origin.to)
      named.push({ ...origin, from: low, to: high, first: origin.first + low - origin.from })
      next = high + 1
    }
    if (next <= to) named.push({ from: next, to, epoch, lane, first: next })
    return named
  }

  /** Index of the first entry that ends at or after `number`. */
  #indexOf(number: number): number {
    let low = this.#start
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle] as Entry).last < number) low = middle + 1
      else high = middle
    }
    return low
  }
}

export function idsOf({ epoch, lane, first, from, to }: Origin): IdRange {
  return idRange(epoch, lane, first, first + to - from)
}

function joinRejection(joined: Rejection[], next: Rejection): Rejection[] {
  const before = joined.at(-1)
  if (before !== undefined && before.reason === next.reason && before.to + 1 === next.from)
    joined[joined.length - 1] = { ...before, to: next.to }
  else joined.push(next)
  return joined
}
