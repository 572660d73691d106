import type { Clock, Timer } from '../../src/clock.ts'

/** A clock that moves only when told to. */
export class ManualClock implements Clock {
  #nowMs = 0
  #timers: { readonly dueMs: number; readonly run: () => void }[] = []

  get timerCount(): number {
    return this.#timers.length
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  timer(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, run }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter(other => other !== timer)
      }
    }
  }

  endOfTurn(run: () => void): void {
    process.nextTick(run)
  }

  /** Lets everything run that waits for no timer: more turns than any exchange in memory takes. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn++) await new Promise<void>(resolve => setImmediate(resolve))
  }

  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await this.settle()
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#timers = this.#timers.filter(other => other !== next)
      this.#nowMs = next.dueMs
      next.run()
      await this.settle()
    }
    this.#nowMs = endMs
  }

  #next(endMs: number) {
    return this.#timers.filter(timer => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
  }
}
