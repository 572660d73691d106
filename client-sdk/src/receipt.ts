import type { IdRange, MessageStateRange } from './contract/types.ts'
import { ParleyError } from './errors.ts'
import type { MessageGoal, MessageTracker } from './message-tracker.ts'

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined
}

/** What a receipt of a durable message has besides its IDs. */
export interface Tracking {
  readonly tracker: MessageTracker
  /** Unix milliseconds, where the daemon told. */
  readonly expiresAt?: number | undefined
}

/** What a send resolves with. */
export class Receipt {
  readonly #ids: readonly IdRange[]
  readonly #offset: number
  readonly #tracking: Tracking | undefined

  /** Without `tracking` the message is not durable. */
  constructor(ids: readonly IdRange[], offset: number, tracking?: Tracking) {
    this.#ids = ids
    this.#offset = offset
    this.#tracking = tracking
  }

  /** The message's ID, `<epoch>.<lane>.<seq>`: the same at the receiver. */
  get id(): string {
    return idAt(this.#ids, this.#offset)
  }

  /** When the daemon gives up on it, by the daemon's clock. Undefined where the message is not durable, and where the answer that told it was lost. */
  get expiresAt(): Date | undefined {
    const expiresAt = this.#tracking?.expiresAt
    return expiresAt === undefined ? undefined : new Date(expiresAt)
  }

  /**
   * Resolves once the peer's daemon has the message on its disk: with `'handled'` where an app there has acknowledged it already.
   *
   * @throws {ParleyError} `MESSAGE_EXPIRED` with `reached`, `MESSAGE_REJECTED` with `reason`, `MESSAGE_CANCELLED`; `NO_SUCH_MESSAGE` where it is not durable, or
   * long past; `CLOSED`; the signal's reason
   */
  stored(options: WaitOptions = {}): Promise<MessageGoal> {
    return reach(this.#tracking, this.#range(), 'stored', options)
  }

  /** Resolves once an app of the peer has acknowledged the message. @throws {ParleyError} as `stored` */
  handled(options: WaitOptions = {}): Promise<MessageGoal> {
    return reach(this.#tracking, this.#range(), 'handled', options)
  }

  /** How far the message has come. @throws {ParleyError} `NO_SUCH_MESSAGE` `DAEMON_UNREACHABLE` `CLOSED`; the signal's reason */
  async state(options: WaitOptions = {}): Promise<MessageStateRange> {
    const [state] = await statesOf(this.#tracking, this.#range(), options)
    if (state === undefined) throw new ParleyError('NO_SUCH_MESSAGE')
    return state
  }

  toJSON(): { readonly id: string; readonly expiresAt?: number } {
    const expiresAt = this.#tracking?.expiresAt
    return { id: this.id, ...(expiresAt !== undefined && { expiresAt }) }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Receipt { id: '${this.id}' }`
  }

  #range(): readonly IdRange[] {
    return [{ first: this.id, count: 1 }]
  }
}

/** What a run resolves with. */
export class RunReceipt {
  /** The IDs given, in the order of the bodies. */
  readonly ids: readonly IdRange[]
  readonly count: number
  readonly #tracking: Tracking | undefined

  constructor(ids: readonly IdRange[], tracking?: Tracking) {
    this.ids = ids
    this.count = countOf(ids)
    this.#tracking = tracking
  }

  /** Of its first part: when the daemon gives up on it, as `Receipt.expiresAt`. */
  get expiresAt(): Date | undefined {
    const expiresAt = this.#tracking?.expiresAt
    return expiresAt === undefined ? undefined : new Date(expiresAt)
  }

  /** @throws {RangeError} when there is no such message in the run */
  idAt(offset: number): string {
    return idAt(this.ids, offset)
  }

  /** As `Receipt.stored`, of every message of the run; rejects for the first that fails, with its `id` in the error's data. */
  stored(options: WaitOptions = {}): Promise<MessageGoal> {
    return reach(this.#tracking, this.ids, 'stored', options)
  }

  /** As `Receipt.handled`, of every message of the run. */
  handled(options: WaitOptions = {}): Promise<MessageGoal> {
    return reach(this.#tracking, this.ids, 'handled', options)
  }

  /** How far the messages have come, in order, as ranges. */
  state(options: WaitOptions = {}): Promise<readonly MessageStateRange[]> {
    return statesOf(this.#tracking, this.ids, options)
  }
}

async function reach(
  tracking: Tracking | undefined,
  ids: readonly IdRange[],
  goal: MessageGoal,
  { signal }: WaitOptions
): Promise<MessageGoal> {
  return trackerOf(tracking).reach(ids, goal, signal)
}

async function statesOf(
  tracking: Tracking | undefined,
  ids: readonly IdRange[],
  { signal }: WaitOptions
): Promise<readonly MessageStateRange[]> {
  return trackerOf(tracking).states(ids, signal)
}

function trackerOf(tracking: Tracking | undefined): MessageTracker {
  if (tracking !== undefined) return tracking.tracker
  throw new ParleyError('NO_SUCH_MESSAGE', 'Nothing is known of a message that is not durable once it was sent.')
}

/**
 * The ID `count` after `id` in the same lane: the last part counts up.
 *
 * @throws {RangeError} when `id` does not end in a number
 */
export function idAfter(id: string, count: number): string {
  const dot = id.lastIndexOf('.')
  const seq = Number(id.slice(dot + 1))
  if (dot < 0 || dot === id.length - 1 || !Number.isSafeInteger(seq + count)) throw new RangeError('not a message ID')
  return `${id.slice(0, dot + 1)}${seq + count}`
}

export function countOf(ids: readonly IdRange[]): number {
  return ids.reduce((count, range) => count + range.count, 0)
}

/** @throws {RangeError} when the ranges hold no such ID */
export function idAt(ids: readonly IdRange[], offset: number): string {
  let left = offset
  for (const range of ids) {
    if (left >= 0 && left < range.count) return idAfter(range.first, left)
    left -= range.count
  }
  throw new RangeError(`no message ${offset} in a run of ${countOf(ids)}`)
}

/** The `count` IDs from `offset` on, as ranges. */
export function sliceIds(ids: readonly IdRange[], offset: number, count: number): IdRange[] {
  const slice: IdRange[] = []
  let skip = offset
  let left = count
  for (const range of ids) {
    const taken = Math.min(Math.max(0, range.count - skip), left)
    if (taken > 0) slice.push({ first: idAfter(range.first, skip), count: taken })
    skip = Math.max(0, skip - range.count)
    left -= taken
  }
  return slice
}
