import type { Clock, Timer } from './clock.ts'

/** The longest delay that `setTimeout` takes; it runs longer ones at once. */
const SET_TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The host's clock. Its timers keep the process alive until they ran or were cancelled. */
export class SystemClock implements Clock {
  wallMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  timer(delayMs: number, run: () => void): Timer {
    const dueMs = this.monotonicMs() + delayMs
    const wait = () => {
      const leftMs = dueMs - this.monotonicMs()
      if (leftMs > 0) handle = setTimeout(wait, Math.min(Math.ceil(leftMs), SET_TIMEOUT_MS_MAX))
      else run()
    }
    // Always at least one turn of the loop; and Node wakes up to a millisecond early, so `wait` looks again.
    let handle = setTimeout(wait, Math.min(Math.ceil(Math.max(delayMs, 0)), SET_TIMEOUT_MS_MAX))
    return { cancel: () => clearTimeout(handle) }
  }

  endOfTurn(run: () => void): void {
    process.nextTick(run)
  }
}
