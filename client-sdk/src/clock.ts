/** A timer that was asked for; `cancel` is safe to call at any time and any number of times. */
export interface Timer {
  cancel(): void
}

/**
 * Time as a dependency. The daemon's clocks, the virtual one among them, have the same shape, so that the SDK runs in
 * their simulations.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start. It never goes back. */
  monotonicMs(): number
  /** Calls `run` once, `delayMs` from now, unless cancelled first. */
  timer(delayMs: number, run: () => void): Timer
  /** Calls `run` after the code now running has returned, before any timer or I/O. */
  endOfTurn(run: () => void): void
}

/** The longest delay that `setTimeout` takes; it runs longer ones at once. */
const SET_TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The host's clock. Its timers keep the process alive until they ran or were cancelled. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  timer(delayMs, run) {
    const dueMs = performance.now() + delayMs
    let handle: NodeJS.Timeout
    const wait = () => {
      const leftMs = dueMs - performance.now()
      if (leftMs <= 0) run()
      else handle = setTimeout(wait, Math.min(Math.ceil(leftMs), SET_TIMEOUT_MS_MAX))
    }
    handle = setTimeout(wait, 0)
    return { cancel: () => clearTimeout(handle) }
  },
  endOfTurn: run => process.nextTick(run)
}

/** Chance as a dependency: a number from 0 up to 1. It spreads attempts in time and keeps no secret. */
export const systemRandom: () => number = Math.random
