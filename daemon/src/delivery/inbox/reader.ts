import type { ErrorCode, MessageRun } from '@parley/client-sdk/contract'
import type { Consumer } from './consumer.ts'
import type { ContactFilter } from './filter.ts'
import { type Entry, sizeOf } from './run-log.ts'

/** Takes a run, which is the taker's from here on. False: not the next one, until `resume`. */
export type TakeRun = (run: MessageRun) => boolean

export interface ReaderOptions {
  readonly filter: ContactFilter
  readonly consumer: Consumer | undefined
  /** Who reads, as `CONSUMER_BUSY` names it to others. */
  readonly by: string
  readonly next: number
  readonly take: TakeRun
  readonly ended: (code: ErrorCode) => void
  /** Called when it is closed, by whomever. */
  readonly closed?: () => void
  /** A fetch: its consumer's place stays when it is closed. */
  readonly isPull?: boolean
}

/** A live reader: a subscription, or a fetch while it waits and for a while after. */
export class Reader {
  readonly filter: ContactFilter
  readonly consumer: Consumer | undefined
  readonly by: string
  readonly ended: (code: ErrorCode) => void
  readonly closed: (() => void) | undefined
  readonly isPull: boolean
  take: TakeRun
  creditMessages = 0
  creditBytes = 0
  isPaused = false
  isPumping = false
  isOpen = true
  /** False for a fetch that was answered: it gives way to whoever comes. */
  isBusy = true
  /** A look by fetch that was answered, and may come again. */
  isLingeringLook = false
  #lookNext: number

  constructor(options: ReaderOptions) {
    this.filter = options.filter
    this.consumer = options.consumer
    this.by = options.by
    this.take = options.take
    this.ended = options.ended
    this.closed = options.closed
    this.isPull = options.isPull ?? false
    this.#lookNext = options.next
  }

  /** The index from which it has not read. */
  get next(): number {
    return this.consumer?.next ?? this.#lookNext
  }

  /** Goes past messages that are not for it, or that were given. */
  passTo(index: number): void {
    if (this.consumer !== undefined) this.consumer.next = index
    else this.#lookNext = index
  }
}

export interface UnackedLimits {
  readonly consumerUnackedCountMax: number
  readonly consumerUnackedBytesMax: number
}

/** Part of an entry that may be given now; `isUnackedFull` where it is the consumer's acks that are missing. */
export interface Portion {
  readonly first: number
  readonly end: number
  readonly bodyBytes: number
  readonly isUnackedFull: boolean
}

/** How much of `entry`, from the reader's position on, its credit and its consumer's bounds allow. The run stays whole where they do. */
export function portionOf(reader: Reader, entry: Entry, limits: UnackedLimits): Portion {
  const first = Math.max(reader.next, entry.first)
  const consumer = reader.consumer
  const isFresh = consumer === undefined || consumer.unackedCount === 0
  const unackedRoomCount =
    consumer === undefined ? Number.POSITIVE_INFINITY : limits.consumerUnackedCountMax - consumer.unackedCount
  // One message always fits when nothing is unacknowledged, whatever its size.
  const unackedRoomBytes =
    consumer === undefined ? Number.POSITIVE_INFINITY : limits.consumerUnackedBytesMax - consumer.unackedBytes
  // What was given before and what was not are never in one run: they differ in `redelivered`.
  const sameEnd = consumer !== undefined && first < consumer.givenEnd ? consumer.givenEnd : entry.end
  const endMax = Math.min(entry.end, sameEnd, first + reader.creditMessages)
  let end = first
  let bodyBytes = 0
  let isUnackedFull = false
  if (
    first === entry.first &&
    endMax === entry.end &&
    entry.bodyBytes <= Math.min(reader.creditBytes, unackedRoomBytes)
  ) {
    if (entry.end - first <= unackedRoomCount)
      return { first, end: entry.end, bodyBytes: entry.bodyBytes, isUnackedFull }
  }
  while (end < endMax) {
    const bytes = bodyBytes + sizeOf(entry, end - entry.first)
    if (bytes > reader.creditBytes) break
    isUnackedFull = end - first >= unackedRoomCount || (bytes > unackedRoomBytes && !(isFresh && end === first))
    if (isUnackedFull) break
    bodyBytes = bytes
    end++
  }
  return { first, end, bodyBytes, isUnackedFull }
}

/** A portion of an entry, whose bodies are `all`, as a reader takes it. */
export function runOf(entry: Entry, all: readonly Uint8Array[], portion: Portion, redelivered: boolean): MessageRun {
  const { first, end } = portion
  const isWhole = first === entry.first && end === entry.end
  const bodies = isWhole ? all : all.slice(first - entry.first, end - entry.first)
  const { from, fromName, sentAt } = entry
  const { contact, channel } = entry.source
  const maybeDuplicate = entry.durable?.maybeDuplicate ?? false
  const id = `${entry.idPrefix}${entry.firstSeq + first - entry.first}`
  return { first, contact, from, fromName, channel, id, sentAt, redelivered, maybeDuplicate, bodies }
}
