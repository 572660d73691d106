import type { Notification } from './codec.ts'
import type { Connection } from './connection.ts'
import type { NodeEvent } from './contract/events.ts'
import type { IdRange, MessageState, MessageStateRange } from './contract/types.ts'
import { ParleyError, type ParleyErrorCode } from './errors.ts'
import type { Link } from './link.ts'
import { idAfter } from './receipt.ts'

/** A state that can be waited for. */
export type MessageGoal = 'stored' | 'handled'

/** Calls of `messages.get` in flight; the other calls of the connection are for the app. */
const ASKING_COUNT_MAX = 8

/** Of those who wait, so many may share a call. */
const ASKING_TOGETHER_MAX = 10_000

const FAILURES: { readonly [state in MessageState]?: ParleyErrorCode } = {
  expired: 'MESSAGE_EXPIRED',
  rejected: 'MESSAGE_REJECTED',
  cancelled: 'MESSAGE_CANCELLED'
}

/** Consecutive messages of one lane. */
interface Span {
  readonly lane: string
  readonly from: number
  readonly to: number
}

/** Somebody who waits until messages have come to a goal. */
class Waiter {
  readonly goal: MessageGoal
  readonly resolve: (state: MessageGoal) => void
  readonly reject: (error: unknown) => void
  /** What is not there yet. */
  open: Span[]
  #state: MessageGoal = 'handled'

  constructor(
    spans: readonly Span[],
    goal: MessageGoal,
    resolve: (state: MessageGoal) => void,
    reject: (error: unknown) => void
  ) {
    this.open = [...spans]
    this.goal = goal
    this.resolve = resolve
    this.reject = reject
  }

  /** True once it has its outcome. */
  hear(span: Span, { state, reached, reason }: MessageStateRange): boolean {
    const met = this.open.find(open => open.lane === span.lane && open.from <= span.to && span.from <= open.to)
    if (met === undefined) return false
    const failure = FAILURES[state]
    if (failure !== undefined) {
      const id = `${span.lane}.${Math.max(met.from, span.from)}`
      this.reject(new ParleyError(failure, undefined, { data: { id, ...withoutUndefined({ reached, reason }) } }))
      return true
    }
    if (state !== 'handled' && (state !== 'stored' || this.goal === 'handled')) return false
    if (state === 'stored') this.#state = 'stored'
    this.open = this.open.flatMap(open => without(open, span))
    if (this.open.length > 0) return false
    this.resolve(this.#state)
    return true
  }
}

/** Those who wait for messages of one lane. Most wait for one message, and are found by its number. */
class LaneWaiters {
  readonly #singles = new Map<number, Set<Waiter>>()
  readonly #runs = new Set<Waiter>()

  get isEmpty(): boolean {
    return this.#singles.size === 0 && this.#runs.size === 0
  }

  add({ from, to }: Span, waiter: Waiter): void {
    const singles = this.#singles.get(from)
    if (from !== to) this.#runs.add(waiter)
    else if (singles === undefined) this.#singles.set(from, new Set([waiter]))
    else singles.add(waiter)
  }

  remove({ from, to }: Span, waiter: Waiter): void {
    const singles = this.#singles.get(from)
    if (from !== to) this.#runs.delete(waiter)
    else if (singles?.delete(waiter) && singles.size === 0) this.#singles.delete(from)
  }

  /** Those whom a change of these messages may concern. */
  within({ from, to }: Span): Waiter[] {
    const found = [...this.#runs]
    if (to - from < this.#singles.size) {
      for (let seq = from; seq <= to; seq++) found.push(...(this.#singles.get(seq) ?? []))
    } else {
      for (const [seq, waiters] of this.#singles) if (seq >= from && seq <= to) found.push(...waiters)
    }
    return found
  }

  all(): Waiter[] {
    return [...this.#runs, ...[...this.#singles.values()].flatMap(waiters => [...waiters])]
  }
}

/**
 * Follows how far durable messages come, for all who wait: one subscription to events, and a look at the states when somebody begins
 * to wait, after each new connection, and where events are missing. Nothing is kept but for those who wait.
 */
export class MessageTracker {
  readonly #link: Link
  readonly #waiters = new Map<string, LaneWaiters>()
  readonly #listeners: ((range: MessageStateRange) => void)[] = []
  #toAsk = new Set<Waiter>()
  #askingCount = 0
  #isFollowing = false
  #subscription: string | undefined

  constructor(link: Link) {
    this.#link = link
    link.attach({
      up: connection => this.#up(connection),
      down: () => {
        this.#subscription = undefined
      },
      ended: error => this.#end(error)
    })
  }

  /** Calls `heard` with every range of messages that came further, once `follow` was called. */
  listen(heard: (range: MessageStateRange) => void): void {
    this.#listeners.push(heard)
  }

  /** Follows events from now on. */
  follow(): void {
    if (this.#isFollowing) return
    this.#isFollowing = true
    const { connection } = this.#link
    if (connection !== undefined) this.#up(connection)
  }

  /**
   * Resolves with the state that all of the messages have reached.
   *
   * @throws {ParleyError} `MESSAGE_EXPIRED` `MESSAGE_REJECTED` `MESSAGE_CANCELLED` `NO_SUCH_MESSAGE` `CLOSED`; the signal's reason
   */
  reach(ids: readonly IdRange[], goal: MessageGoal, signal: AbortSignal | undefined): Promise<MessageGoal> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#link.ended !== undefined) throw this.#link.ended
      const spans = ids.map(spanOf)
      if (spans.length === 0) resolve(goal)
      else this.#add(spans, goal, resolve, reject, signal)
    })
  }

  /** How far messages have come, as of now. @throws {ParleyError} `NO_SUCH_MESSAGE` */
  async states(ids: readonly IdRange[], signal: AbortSignal | undefined): Promise<readonly MessageStateRange[]> {
    const all: MessageStateRange[] = []
    for (const { first, count } of ids) {
      all.push(...(await this.#link.call('messages.get', { id: first, count }, signal)).ranges)
    }
    return all
  }

  #add(
    spans: readonly Span[],
    goal: MessageGoal,
    resolve: (state: MessageGoal) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined
  ): void {
    const leave = () => {
      this.#remove(spans, waiter)
      unwatch()
    }
    const waiter: Waiter = new Waiter(
      spans,
      goal,
      state => {
        leave()
        resolve(state)
      },
      error => {
        leave()
        reject(error)
      }
    )
    const unwatch = this.#link.aborts.watch(signal, waiter.reject)
    for (const span of spans) {
      const waiters = this.#waiters.get(span.lane) ?? new LaneWaiters()
      this.#waiters.set(span.lane, waiters)
      waiters.add(span, waiter)
    }
    this.follow()
    this.#toAsk.add(waiter)
    if (this.#subscription !== undefined) this.#ask()
  }

  #remove(spans: readonly Span[], waiter: Waiter): void {
    this.#toAsk.delete(waiter)
    for (const span of spans) {
      const waiters = this.#waiters.get(span.lane)
      waiters?.remove(span, waiter)
      if (waiters?.isEmpty) this.#waiters.delete(span.lane)
    }
  }

  #all(): Waiter[] {
    return [...this.#waiters.values()].flatMap(waiters => waiters.all())
  }

  #up(connection: Connection): void {
    if (!this.#isFollowing) return
    connection.request(
      'events.subscribe',
      { after: 'now' },
      {
        ok: ({ subscription }) => {
          this.#subscription = subscription
          this.#link.route(subscription, notification => this.#notified(notification))
          // Whatever happened before this moment is in the states.
          for (const waiter of this.#all()) this.#toAsk.add(waiter)
          this.#ask()
        },
        failed: error => this.#refused(error)
      }
    )
  }

  #refused(error: ParleyError): void {
    // A new connection comes, and asks again.
    if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'SHUTTING_DOWN' || error.code === 'CLOSED') return
    this.#isFollowing = false
    this.#end(error)
  }

  #notified(notification: Notification): void {
    if (notification.method === 'events.event') {
      for (const event of notification.params.events) this.#hear(event)
    } else if (notification.method === 'events.ended') {
      if (this.#subscription !== undefined) this.#link.unroute(this.#subscription)
      this.#subscription = undefined
      const { connection } = this.#link
      if (notification.params.code === 'CURSOR_GONE' && connection !== undefined) this.#up(connection)
    }
  }

  #hear(event: NodeEvent): void {
    if (event.kind !== 'message.state') return
    this.#apply(event)
    for (const heard of this.#listeners) heard(event)
  }

  #apply(range: MessageStateRange): void {
    const span = spanOf(range)
    for (const waiter of this.#waiters.get(span.lane)?.within(span) ?? []) waiter.hear(span, range)
  }

  /** Asks for the states of those who have not been told since the subscription began. */
  #ask(): void {
    const { connection } = this.#link
    if (connection === undefined) return
    while (this.#askingCount < ASKING_COUNT_MAX) {
      const [waiter, ...others] = this.#neighbours()
      if (waiter === undefined) return
      const last = others.at(-1)?.open[0]
      for (const span of [...waiter.open]) {
        this.#askOf(connection, [waiter, ...others], last === undefined ? span : { ...span, to: last.to })
      }
    }
  }

  /** The first one to ask for, and those behind it who wait for the very next messages. */
  #neighbours(): Waiter[] {
    const taken: Waiter[] = []
    let end: Span | undefined
    for (const waiter of this.#toAsk) {
      const [span, ...more] = waiter.open
      const isNext = end !== undefined && span?.lane === end.lane && span.from === end.to + 1
      if (taken.length > 0 && (!isNext || more.length > 0 || taken.length >= ASKING_TOGETHER_MAX)) break
      this.#toAsk.delete(waiter)
      taken.push(waiter)
      end = more.length === 0 ? span : undefined
    }
    return taken
  }

  #askOf(connection: Connection, waiters: readonly Waiter[], span: Span): void {
    this.#askingCount++
    const answered = () => {
      this.#askingCount--
      this.#ask()
    }
    const params = { id: `${span.lane}.${span.from}`, count: span.to - span.from + 1 }
    connection.request('messages.get', params, {
      ok: ({ ranges }) => {
        for (const range of ranges) this.#apply(range)
        answered()
      },
      failed: error => {
        this.#refusedStates(connection, waiters, error)
        answered()
      }
    })
  }

  #refusedStates(connection: Connection, waiters: readonly Waiter[], error: ParleyError): void {
    // The next connection asks again.
    if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'SHUTTING_DOWN') return
    const [first, ...others] = waiters
    if (others.length === 0) first?.reject(error)
    else {
      for (const waiter of waiters) for (const span of [...waiter.open]) this.#askOf(connection, [waiter], span)
    }
  }

  #end(error: ParleyError): void {
    for (const waiter of this.#all()) waiter.reject(error)
  }
}

function spanOf({ first, count }: IdRange): Span {
  const dot = first.lastIndexOf('.')
  // Refuses what is no message ID.
  idAfter(first, count)
  const from = Number(first.slice(dot + 1))
  return { lane: first.slice(0, dot), from, to: from + count - 1 }
}

/** What is left of `open` without what `span` covers. */
function without(open: Span, span: Span): Span[] {
  if (open.lane !== span.lane || open.from > span.to || span.from > open.to) return [open]
  const left: Span[] = []
  if (open.from < span.from) left.push({ ...open, to: span.from - 1 })
  if (open.to > span.to) left.push({ ...open, from: span.to + 1 })
  return left
}

function withoutUndefined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
