import type { Clock } from '../../actor/clock.ts'

export interface ElapsedClockOptions {
  /** A leap between wall and monotonic time of at least this, or a wall that differs so much over a restart, holds. */
  readonly clockStepMs: number
  readonly clockStepHoldMs: number
}

/** Elapsed time and the wall time at which it was so; what is kept over a restart. */
export interface KeptTime {
  readonly elapsedMs: number
  readonly wallMs: number
}

/**
 * Elapsed time since the store was made: monotonic while the daemon runs, whatever the wall clock does; over a restart what the
 * wall clock says has passed, and never less than nothing.
 */
export class ElapsedClock {
  readonly #clock: Clock
  readonly #options: ElapsedClockOptions
  readonly #baseMs: number
  readonly #startMs: number
  #wallLeadMs: number
  #holdUntilMs = 0

  constructor(clock: Clock, options: ElapsedClockOptions, kept: KeptTime | undefined) {
    this.#clock = clock
    this.#options = options
    this.#startMs = clock.monotonicMs()
    this.#wallLeadMs = this.#readLead()
    const awayMs = kept === undefined ? 0 : clock.wallMs() - kept.wallMs
    this.#baseMs = (kept?.elapsedMs ?? 0) + Math.max(0, awayMs)
    if (Math.abs(awayMs) >= options.clockStepMs) this.#hold()
  }

  /** Whole milliseconds. */
  nowMs(): number {
    return this.#baseMs + Math.floor(this.#clock.monotonicMs() - this.#startMs)
  }

  /** Elapsed time before which nothing expires: the clock is in doubt. */
  get holdUntilMs(): number {
    return this.#holdUntilMs
  }

  kept(): KeptTime {
    return { elapsedMs: this.nowMs(), wallMs: this.#clock.wallMs() }
  }

  /** By how much the wall clock has leapt since the last call, where that is a step. */
  checkStep(): number | undefined {
    const leadMs = this.#readLead()
    const byMs = leadMs - this.#wallLeadMs
    this.#wallLeadMs = leadMs
    if (Math.abs(byMs) < this.#options.clockStepMs) return undefined
    this.#hold()
    return Math.round(byMs)
  }

  #hold(): void {
    this.#holdUntilMs = this.nowMs() + this.#options.clockStepHoldMs
  }

  #readLead(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs()
  }
}
