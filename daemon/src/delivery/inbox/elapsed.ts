import type { Clock } from '../../actor/clock.ts'

/** A moment, by elapsed time and by the wall clock. */
export interface Moment {
  readonly elapsedMs: number
  readonly wallMs: number
}

/**
 * Elapsed time that goes on over restarts: monotonic while the daemon runs, so that no step of the wall clock counts, and the difference of
 * the wall clock, never below zero, while it does not.
 */
export class Elapsed {
  readonly #clock: Clock
  readonly #startMs: number
  #baseMs: number

  /** @param last - a moment of the run before; undefined where there was none */
  constructor(clock: Clock, last: Moment | undefined) {
    this.#clock = clock
    this.#startMs = clock.monotonicMs()
    this.#baseMs = last === undefined ? 0 : last.elapsedMs + Math.max(0, clock.wallMs() - last.wallMs)
  }

  /** Whole milliseconds. */
  nowMs(): number {
    return Math.floor(this.#baseMs + this.#clock.monotonicMs() - this.#startMs)
  }

  moment(): Moment {
    return { elapsedMs: this.nowMs(), wallMs: this.#clock.wallMs() }
  }

  /** What the wall clock shows for a moment of elapsed time. */
  wallOf(elapsedMs: number): number {
    return this.#clock.wallMs() - (this.nowMs() - elapsedMs)
  }
}
