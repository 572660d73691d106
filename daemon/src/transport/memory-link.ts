import type { Clock, Timer } from '../actor/clock.ts'
import type { NodeId } from './port.ts'

/** What passed in one direction of a link, whoever dialled. */
export interface LinkCounters {
  readonly dialCount: number
  readonly sentBytes: number
  readonly deliveredBytes: number
  /** Lost in a silent cut. */
  readonly swallowedBytes: number
}

export interface CutOptions {
  /** Swallow what is sent and say nothing, instead of resetting. */
  readonly silent?: boolean
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What connects two nodes of a `MemoryNetwork`: its state, its latency and the connections that run over it. */
export class MemoryLink {
  readonly #clock: Clock
  readonly #counters = new Map<NodeId, Mutable<LinkCounters>>()
  readonly #connections = new Set<MemoryConnection>()
  #state: 'up' | 'cut' | 'silent' = 'up'
  latencyMs: number

  constructor(clock: Clock, latencyMs: number) {
    this.#clock = clock
    this.latencyMs = latencyMs
  }

  get state(): 'up' | 'cut' | 'silent' {
    return this.#state
  }

  get connections(): readonly MemoryConnection[] {
    return [...this.#connections]
  }

  /** Counters of what `from` sent. */
  counters(from: NodeId): Mutable<LinkCounters> {
    let counters = this.#counters.get(from)
    if (counters === undefined) {
      counters = { dialCount: 0, sentBytes: 0, deliveredBytes: 0, swallowedBytes: 0 }
      this.#counters.set(from, counters)
    }
    return counters
  }

  cut(options: CutOptions): void {
    this.#state = options.silent === true ? 'silent' : 'cut'
    if (this.#state === 'cut') for (const connection of this.connections) connection.lose('the link was cut')
  }

  heal(): void {
    this.#state = 'up'
    for (const connection of this.connections) {
      if (connection.hasLoss) connection.lose('bytes were lost on the link')
    }
  }

  connect(dialler: NodeId, listener: NodeId): MemoryConnection {
    const connection: MemoryConnection = new MemoryConnection(this.#clock, this, dialler, listener, () =>
      this.#connections.delete(connection)
    )
    this.#connections.add(connection)
    return connection
  }
}

/** One side of a connection. */
export class MemoryEnd {
  readonly nodeId: NodeId
  /** When the last thing sent from here arrives: nothing overtakes. */
  arrivalMs = 0
  isOver = false
  /** Called at most once, when the connection was lost or the other side dropped it. */
  onLost: (reason: string) => void = () => undefined

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId
  }
}

/** A connection in order and without loss, but for cuts of its link. */
export class MemoryConnection {
  readonly dialler: MemoryEnd
  readonly listener: MemoryEnd
  readonly #clock: Clock
  readonly #link: MemoryLink
  readonly #finished: () => void
  readonly #timers = new Set<Timer>()
  hasLoss = false

  constructor(clock: Clock, link: MemoryLink, dialler: NodeId, listener: NodeId, finished: () => void) {
    this.#clock = clock
    this.#link = link
    this.dialler = new MemoryEnd(dialler)
    this.listener = new MemoryEnd(listener)
    this.#finished = finished
  }

  /** Runs `arrive` on the other side once `lengthBytes` have got there. */
  send(from: MemoryEnd, lengthBytes: number, arrive: () => void): void {
    const to = this.#otherThan(from)
    const counters = this.#link.counters(from.nodeId)
    counters.sentBytes += lengthBytes
    from.arrivalMs = Math.max(from.arrivalMs, this.#clock.monotonicMs() + this.#link.latencyMs)
    const swallow = () => {
      this.hasLoss = true
      counters.swallowedBytes += lengthBytes
    }
    if (this.#link.state === 'silent') {
      swallow()
      return
    }
    this.#later(from.arrivalMs - this.#clock.monotonicMs(), () => {
      if (to.isOver) return
      if (this.#link.state === 'silent') {
        swallow()
      } else {
        counters.deliveredBytes += lengthBytes
        arrive()
      }
    })
  }

  /** Ends one side. The other one hears of it as a loss, unless it is told to finish by itself. */
  leave(end: MemoryEnd, reason: string | undefined): void {
    if (end.isOver) return
    end.isOver = true
    const other = this.#otherThan(end)
    if (other.isOver) this.#finish()
    else if (reason !== undefined) this.send(end, 0, () => this.#lose(other, reason))
  }

  /** Both sides lose the connection. */
  lose(reason: string): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#later(0, () => {
      this.#lose(this.dialler, reason)
      this.#lose(this.listener, reason)
    })
  }

  #lose(end: MemoryEnd, reason: string): void {
    if (end.isOver) return
    this.leave(end, undefined)
    end.onLost(reason)
  }

  #otherThan(end: MemoryEnd): MemoryEnd {
    return end === this.dialler ? this.listener : this.dialler
  }

  #later(delayMs: number, run: () => void): void {
    const timer = this.#clock.timer(delayMs, () => {
      this.#timers.delete(timer)
      run()
    })
    this.#timers.add(timer)
  }

  #finish(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#finished()
  }
}
