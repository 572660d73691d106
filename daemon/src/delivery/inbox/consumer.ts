import type { ContactFilter } from './filter.ts'
import type { Reader } from './reader.ts'
import type { ConsumerRecord } from './records.ts'
import { type Entry, sizeOf } from './run-log.ts'

interface Given {
  readonly entry: Entry
  first: number
  readonly end: number
  bodyBytes: number
}

export interface ConsumerOptions {
  readonly name: string
  /** Who made it. */
  readonly owner: string
  readonly filter: ContactFilter
  /** The index after which it starts. */
  readonly after: number
}

/** A named reader's state that outlives its subscriptions: what it acknowledged, and what it was given and has not acknowledged. */
export class Consumer {
  readonly name: string
  readonly owner: string
  readonly filter: ContactFilter
  /** It lays no claim to messages up to this index. */
  startedAfter: number
  /** Everything up to and including this index is acknowledged. */
  cursor: number
  /** What comes next; not below `cursor + 1`. */
  next: number
  /** Messages below this index were given at least once. */
  givenEnd: number
  /** Messages below this index were given since the cursor was last moved by a seek: only those can be acknowledged. */
  ackEnd: number
  /** The one that reads as this consumer now. */
  reader: Reader | undefined
  isStalled = false
  /** The disk says that something reads as it: after a crash all that is kept counts as given. */
  isReadingOnDisk = false
  /** Acks that are on their way to the disk. */
  unsyncedCount = 0
  /** One of them did not get there, as far as is known: the cursor may be ahead of the disk's. */
  hasLostAck = false
  #given: Given[] = []
  #unackedCount = 0
  #unackedBytes = 0

  constructor(options: ConsumerOptions) {
    this.name = options.name
    this.owner = options.owner
    this.filter = options.filter
    this.startedAfter = options.after
    this.cursor = options.after
    this.next = options.after + 1
    this.givenEnd = options.after + 1
    this.ackEnd = this.givenEnd
  }

  /** The consumer of a record. */
  static of(record: ConsumerRecord): Consumer {
    const { name, owner, contacts, channels } = record
    const filter = {
      contacts: contacts === null ? null : new Set(contacts),
      channels: channels === null ? null : new Set(channels)
    }
    const consumer = new Consumer({ name, owner, filter, after: 0 })
    consumer.restore(record)
    return consumer
  }

  toRecord(): ConsumerRecord {
    const { name, owner, filter, cursor, startedAfter, givenEnd } = this
    return {
      ...{ name, owner, cursor, startedAfter, givenEnd },
      contacts: filter.contacts === null ? null : [...filter.contacts],
      channels: filter.channels === null ? null : [...filter.channels],
      isReading: this.reader !== undefined
    }
  }

  /** Takes the place that the disk knows; nothing counts as given since. */
  restore(record: ConsumerRecord): void {
    this.startedAfter = record.startedAfter
    this.cursor = record.cursor
    this.#gaveTo(record.givenEnd)
    this.isReadingOnDisk = record.isReading
    this.hasLostAck = false
    this.rewind()
  }

  /** Everything up to `end` may have been given by a daemon that ended. */
  mayHaveGiven(end: number): void {
    this.#gaveTo(end)
  }

  /**
   * Goes to another place, forwards or back. What is passed over waits for its ack no more; what it goes back to does again, and an ack of what was
   * given before says nothing of that.
   */
  seek(after: number): void {
    this.cursor = after
    this.ackEnd = after + 1
    this.startedAfter = Math.min(this.startedAfter, after)
    this.rewind()
  }

  /** Given since the last start at the cursor, and not acknowledged. */
  get unackedCount(): number {
    return this.#unackedCount
  }

  get unackedBytes(): number {
    return this.#unackedBytes
  }

  /** Goes back to the cursor: what was not acknowledged is given again. */
  rewind(): void {
    this.next = this.cursor + 1
    this.#given = []
    this.#unackedCount = 0
    this.#unackedBytes = 0
    this.isStalled = false
  }

  /** What was given up to `index` has arrived: it goes on behind that, and only what follows counts as not acknowledged. */
  goOnAfter(index: number): void {
    this.rewind()
    this.next = index + 1
  }

  /** Notes that the messages of `entry` from `first` to `end - 1` were given. */
  give(entry: Entry, first: number, end: number, bodyBytes: number): void {
    this.#given.push({ entry, first, end, bodyBytes })
    this.#unackedCount += end - first
    this.#unackedBytes += bodyBytes
    this.next = end
    this.#gaveTo(end)
  }

  /** Moves the cursor up to `index`, which is above it. */
  ack(index: number): void {
    this.cursor = index
    if (this.next <= index) this.next = index + 1
    let doneCount = 0
    for (const given of this.#given) {
      if (given.first > index) break
      if (given.end > index + 1) {
        this.#ackPart(given, index + 1)
        break
      }
      this.#unackedCount -= given.end - given.first
      this.#unackedBytes -= given.bodyBytes
      doneCount++
    }
    if (doneCount > 0) this.#given.splice(0, doneCount)
    this.isStalled = false
  }

  /** Whether `entry` waits for this consumer's ack. */
  isOwed(entry: Entry): boolean {
    return entry.end - 1 > this.startedAfter && this.cursor < entry.end - 1
  }

  #gaveTo(end: number): void {
    if (end > this.givenEnd) this.givenEnd = end
    if (end > this.ackEnd) this.ackEnd = end
  }

  #ackPart(given: Given, end: number): void {
    let bodyBytes = 0
    for (let index = given.first; index < end; index++) {
      bodyBytes += sizeOf(given.entry, index - given.entry.first)
    }
    this.#unackedCount -= end - given.first
    this.#unackedBytes -= bodyBytes
    given.bodyBytes -= bodyBytes
    given.first = end
  }
}
