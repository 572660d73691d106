import type { Clock, Timer } from './clock.ts'
import type { Connection } from './connection.ts'
import { ParleyError } from './errors.ts'
import type { Link } from './link.ts'
import type { Acks } from './message.ts'

/** An ack, which takes in those that follow it, or a refusal of one message. */
interface Group {
  index: number
  readonly reason: string | undefined
  readonly place: string
  /** It was said before, and the answer was lost. */
  isAgain: boolean
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The pause before something is said again that the daemon could not write: doubled from the first to the second. */
const PAUSE_MS_MIN = 100
const PAUSE_MS_MAX = 2_000

/**
 * Acknowledges messages of one consumer. All acks of a turn, and those that come while a call is in flight, share one call; what a
 * lost connection left open, or a store that could not be written, is said again.
 */
export class Acker implements Acks {
  readonly #consumer: string
  readonly #link: Link
  readonly #clock: Clock
  #inbox: string
  /** How often a seek has moved the cursor. */
  #moveCount = 0
  #acknowledged = 0
  /** In order; the first is in flight where `#isAsking`. */
  #groups: Group[] = []
  #isAsking = false
  #scheduled = false
  #pause: Timer | undefined
  #attempt = 0
  #whenSettled: (() => void)[] = []

  constructor(consumer: string, link: Link, clock: Clock) {
    this.#consumer = consumer
    this.#link = link
    this.#clock = clock
    this.#inbox = link.hello.inbox
    link.attach({
      up: (_connection, hello) => this.#up(hello.inbox),
      down: () => this.#tellSettled(),
      ended: error => this.#end(error)
    })
  }

  get place(): string {
    return `${this.#inbox}/${this.#moveCount}`
  }

  /** The highest index that the daemon has confirmed since a seek last moved the cursor. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** A seek has moved the cursor: what was given before is not acknowledged any more, nor refused. */
  moved(): void {
    this.#moveCount++
    this.#acknowledged = 0
    for (const group of this.#groups.splice(this.#isAsking ? 1 : 0)) settleStale(group)
    this.#tellSettled()
  }

  /** Acknowledges everything up to and including `index`; what came from an inbox that is gone, or before a seek, needs no ack and resolves. */
  ack(place: string, index: number): Promise<void> {
    const last = this.#groups.at(-1)
    const isOpen = last !== undefined && last.reason === undefined && !(this.#isAsking && this.#groups.length === 1)
    if (!isOpen || place !== this.place || this.#link.ended !== undefined) return this.#add(place, index, undefined)
    last.index = Math.max(last.index, index)
    return last.promise
  }

  /** Acknowledges everything before `index` and refuses the message there. */
  reject(place: string, index: number, reason: string): Promise<void> {
    return this.#add(place, index, reason)
  }

  /** Resolves once no ack is open, or the daemon is away or cannot write: then what is open must wait for it. */
  settled(): Promise<void> {
    if (this.#isSettled()) return Promise.resolve()
    return new Promise(resolve => this.#whenSettled.push(resolve))
  }

  #isSettled(): boolean {
    return this.#groups.length === 0 || this.#pause !== undefined || this.#link.connection === undefined
  }

  #add(place: string, index: number, reason: string | undefined): Promise<void> {
    if (this.#link.ended !== undefined) return Promise.reject(this.#link.ended)
    const group = newGroup(place, index, reason)
    if (place !== this.place) {
      settleStale(group)
      return group.promise
    }
    this.#groups.push(group)
    this.#schedule()
    return group.promise
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.endOfTurn(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const connection = this.#link.connection
    const [group] = this.#groups
    if (connection === undefined || group === undefined || this.#isAsking || this.#pause !== undefined) return
    this.#isAsking = true
    this.#ask(connection, group)
  }

  #ask(connection: Connection, group: Group): void {
    const { index, reason } = group
    const reader = {
      ok: () => {
        if (group.place === this.place) this.#acknowledged = Math.max(this.#acknowledged, index)
        this.#settle(group, group.resolve)
      },
      failed: (error: ParleyError) => this.#failed(group, error)
    }
    const params = { consumer: this.#consumer, index }
    if (reason === undefined) connection.request('messages.ack', params, reader)
    else connection.request('messages.reject', { ...params, reason }, reader)
  }

  #failed(group: Group, error: ParleyError): void {
    const isPassing = ['STORE_UNAVAILABLE', 'DAEMON_UNREACHABLE', 'SHUTTING_DOWN'].includes(error.code)
    if (isPassing && group.place !== this.place) {
      this.#settle(group, () => settleStale(group))
      return
    }
    if (isPassing) group.isAgain = true
    // What was refused the first time is behind the cursor.
    const isDone = group.isAgain && group.reason !== undefined && error.code === 'INVALID_PARAMS'
    if (isDone) this.#settle(group, group.resolve)
    else if (error.code === 'STORE_UNAVAILABLE') {
      this.#reopen()
      this.#flushLater()
    } else if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'SHUTTING_DOWN') this.#reopen()
    else this.#settle(group, () => group.reject(error))
  }

  /** The first group stays open, and takes in the acks behind it. */
  #reopen(): void {
    this.#isAsking = false
    const [first, second] = this.#groups
    if (first === undefined || second === undefined || first.reason !== undefined || second.reason !== undefined) return
    first.index = Math.max(first.index, second.index)
    first.promise.then(second.resolve, second.reject)
    this.#groups.splice(1, 1)
  }

  #flushLater(): void {
    const pauseMs = Math.min(PAUSE_MS_MIN * 2 ** Math.min(this.#attempt++, 16), PAUSE_MS_MAX)
    this.#pause = this.#clock.timer(pauseMs, () => {
      this.#pause = undefined
      this.#flush()
    })
    this.#tellSettled()
  }

  #settle(group: Group, run: () => void): void {
    this.#isAsking = false
    this.#attempt = 0
    if (this.#groups[0] === group) this.#groups.shift()
    run()
    this.#flush()
    this.#tellSettled()
  }

  #up(inbox: string): void {
    this.#pause?.cancel()
    this.#pause = undefined
    if (inbox !== this.#inbox) {
      this.#inbox = inbox
      this.#acknowledged = 0
      for (const group of this.#groups.splice(0)) group.resolve()
    }
    this.#flush()
    this.#tellSettled()
  }

  #end(error: ParleyError): void {
    this.#pause?.cancel()
    for (const group of this.#groups.splice(0)) group.reject(error)
    this.#tellSettled()
  }

  #tellSettled(): void {
    if (!this.#isSettled()) return
    for (const resolve of this.#whenSettled.splice(0)) resolve()
  }
}

/** Of a place that is no more: an ack needs not be said there, and nobody can be refused. */
function settleStale({ reason, resolve, reject }: Group): void {
  if (reason === undefined) resolve()
  else
    reject(new ParleyError('INVALID_PARAMS', 'The cursor was moved since this message came, or its inbox is no more.'))
}

function newGroup(place: string, index: number, reason: string | undefined): Group {
  const group = { index, reason, place, isAgain: false, ...Promise.withResolvers<void>() }
  // An app need not wait for an ack: one that failed means that the message comes again.
  group.promise.catch(() => undefined)
  return group
}
