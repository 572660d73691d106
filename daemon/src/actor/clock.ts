/** A timer that was asked for; `cancel` is safe to call at any time and any number of times. */
export interface Timer {
  cancel(): void
}

/**
 * Time as a dependency: wall and monotonic time apart, timers, and the end of a turn.
 *
 * Nothing in the daemon reads time or sets a timer in any other way, so that whole daemons run on a
 * virtual clock.
 */
export interface Clock {
  /** Unix time in whole milliseconds. It may jump. */
  wallMs(): number
  /** Milliseconds since an arbitrary start. It never goes back. */
  monotonicMs(): number
  /** Calls `run` once, `delayMs` from now on the monotonic clock, unless cancelled first. */
  timer(delayMs: number, run: () => void): Timer
  /** Calls `run` after the code now running has returned, before any timer or I/O: where batches are flushed. */
  endOfTurn(run: () => void): void
}
