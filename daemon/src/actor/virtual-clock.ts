import type { Clock, Timer } from './clock.ts'

export interface VirtualClockOptions {
  /** Unix time at which the clock starts, in milliseconds. */
  readonly wallMs?: number
}

interface PendingTimer {
  readonly dueMs: number
  readonly run: () => void
}

/**
 * A clock that moves only when told to, for tests and simulations.
 *
 * Timers run by due time, those due together in the order of asking. After each one everything runs that Node would run before
 * the next: promise reactions and `endOfTurn` callbacks. Work on other threads (LevelDB, sockets, callbacks of `node:crypto`)
 * is not waited for.
 */
export class VirtualClock implements Clock {
  readonly #pending: PendingTimer[] = []
  #nowMs = 0
  #wallOffsetMs: number
  #isMoving = false

  constructor(options: VirtualClockOptions = {}) {
    this.#wallOffsetMs = options.wallMs ?? Date.UTC(2026, 0, 1)
  }

  wallMs(): number {
    return Math.floor(this.#nowMs + this.#wallOffsetMs)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** How many timers wait. */
  get timerCount(): number {
    return this.#pending.length
  }

  timer(delayMs: number, run: () => void): Timer {
    const pending = { dueMs: this.#nowMs + Math.max(0, delayMs), run }
    this.#pending.splice(this.#indexAfter(pending.dueMs), 0, pending)
    return {
      cancel: () => {
        const index = this.#pending.indexOf(pending)
        if (index >= 0) this.#pending.splice(index, 1)
      }
    }
  }

  endOfTurn(run: () => void): void {
    process.nextTick(run)
  }

  /** Moves wall time, and only it, as an administrator or NTP would. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Lets everything run that waits for no timer. Time stands still. */
  async settle(): Promise<void> {
    // Node goes on to immediates only when no microtask and no tick is left.
    await new Promise<void>(resolve => setImmediate(resolve))
  }

  /** Moves time forward by `byMs` and runs every timer that comes due, also those asked for on the way. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await this.#runTimersUntil(endMs)
    this.#nowMs = endMs
  }

  /**
   * Moves time forward from timer to timer until none is left.
   *
   * @throws {RangeError} when timers still wait after `limitMs`: something repeats for ever
   */
  async runUntilIdle(limitMs: number): Promise<void> {
    await this.#runTimersUntil(this.#nowMs + limitMs)
    if (this.timerCount > 0) throw new RangeError(`${this.timerCount} timers still wait after ${limitMs} ms`)
  }

  async #runTimersUntil(endMs: number): Promise<void> {
    if (this.#isMoving) throw new Error('the clock is already being moved')
    this.#isMoving = true
    try {
      await this.settle()
      for (let next = this.#pending[0]; next !== undefined && next.dueMs <= endMs; next = this.#pending[0]) {
        this.#pending.shift()
        this.#nowMs = next.dueMs
        next.run()
        await this.settle()
      }
    } finally {
      this.#isMoving = false
    }
  }

  #indexAfter(dueMs: number): number {
    let low = 0
    let high = this.#pending.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#pending[middle] as PendingTimer).dueMs <= dueMs) low = middle + 1
      else high = middle
    }
    return low
  }
}
