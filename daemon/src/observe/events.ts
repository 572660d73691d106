import type { EventBody, NodeEvent } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'

export interface EventsOptions {
  readonly eventCountMax: number
  readonly eventBytesMax: number
}

export interface EventsDeps {
  readonly clock: Clock
  /** New at each start of the daemon; has no colon. */
  readonly epoch: string
  readonly options: EventsOptions
}

/** Where reading begins: after a cursor, at the oldest kept, or with what comes next. */
export type EventsAfter = string | 'now' | 'start'

export interface EventsPage {
  readonly events: readonly NodeEvent[]
  /** Of the last event read, or where reading began: what to go on after. */
  readonly cursor: string
}

interface Kept {
  readonly event: NodeEvent
  readonly bytes: number
}

/** What an event counts beside its text. */
const EVENT_COST_BYTES = 128

/** What happened in the daemon, newest kept: a ring bounded in count and bytes, read by cursors `epoch:index`. */
export class Events {
  readonly epoch: string
  readonly #clock: Clock
  readonly #options: EventsOptions
  readonly #listeners = new Set<() => void>()
  #kept: Kept[] = []
  #start = 0
  #nextIndex = 1
  #bytes = 0

  constructor(deps: EventsDeps) {
    this.epoch = deps.epoch
    this.#clock = deps.clock
    this.#options = deps.options
  }

  /** The cursor of the newest event. */
  get cursor(): string {
    return this.#cursorOf(this.#nextIndex - 1)
  }

  /** Appends an event and wakes those who listen. */
  readonly emit = (body: EventBody): void => {
    const event: NodeEvent = { ...body, cursor: this.#cursorOf(this.#nextIndex), at: this.#clock.wallMs() }
    const bytes = EVENT_COST_BYTES + JSON.stringify(event).length * 2
    this.#nextIndex++
    this.#kept.push({ event, bytes })
    this.#bytes += bytes
    while (this.#keptCount > this.#options.eventCountMax || this.#bytes > this.#options.eventBytesMax) this.#drop()
    for (const listener of [...this.#listeners]) listener()
  }

  /**
   * At most `countMax` events after a cursor, none where there are none yet.
   *
   * @throws {DaemonError} `CURSOR_GONE` where what comes after the cursor is not kept, or it is of another epoch
   */
  read(after: EventsAfter, countMax: number): EventsPage {
    const index = this.#indexOf(after)
    const from = this.#start + index - this.#oldestIndex + 1
    const kept = this.#kept.slice(from, from + countMax)
    return { events: kept.map(({ event }) => event), cursor: this.#cursorOf(index + kept.length) }
  }

  /**
   * As `read`, and where there is none waits up to `waitMs` for the first.
   *
   * @throws {DaemonError} `CURSOR_GONE`
   */
  async fetch(after: EventsAfter, countMax: number, waitMs: number, signal: AbortSignal): Promise<EventsPage> {
    const page = this.read(after, countMax)
    if (page.events.length > 0 || waitMs === 0 || signal.aborted) return page
    const { promise, resolve } = Promise.withResolvers<void>()
    const done = () => resolve()
    const unlisten = this.listen(done)
    const timer = this.#clock.timer(waitMs, done)
    signal.addEventListener('abort', done, { once: true })
    await promise
    unlisten()
    timer.cancel()
    signal.removeEventListener('abort', done)
    return this.read(page.cursor, countMax)
  }

  /** Calls `listener` after each event, on the stack of what emitted it. Returns what ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get #keptCount(): number {
    return this.#kept.length - this.#start
  }

  get #oldestIndex(): number {
    return this.#nextIndex - this.#keptCount
  }

  #cursorOf(index: number): string {
    return `${this.epoch}:${index}`
  }

  /** The index of the last event that was read. */
  #indexOf(after: EventsAfter): number {
    if (after === 'now') return this.#nextIndex - 1
    if (after === 'start') return this.#oldestIndex - 1
    const match = /^([^:]+):(0|[1-9][0-9]{0,15})$/.exec(after)
    if (match === null) throw new DaemonError('INVALID_PARAMS', 'after: not a cursor of events')
    const index = Number(match[2])
    if (match[1] !== this.epoch || index >= this.#nextIndex || index < this.#oldestIndex - 1) {
      throw new DaemonError('CURSOR_GONE', 'the events after that cursor are not kept')
    }
    return index
  }

  #drop(): void {
    this.#bytes -= (this.#kept[this.#start] as Kept).bytes
    this.#start++
    if (this.#start * 2 < this.#kept.length) return
    this.#kept = this.#kept.slice(this.#start)
    this.#start = 0
  }
}
