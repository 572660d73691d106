import type { Clock, Timer } from '../../daemon/src/actor/clock.ts'

/** The clock of one start of a daemon. Once that is killed nothing of it runs any more, as in a process that is gone. */
export class MortalClock implements Clock {
  readonly #clock: Clock
  readonly #timers = new Set<Timer>()
  #isDead = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  kill(): void {
    this.#isDead = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  wallMs(): number {
    return this.#clock.wallMs()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  timer(delayMs: number, run: () => void): Timer {
    if (this.#isDead) return { cancel: () => undefined }
    const timer = this.#clock.timer(delayMs, () => {
      this.#timers.delete(timer)
      run()
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        timer.cancel()
        this.#timers.delete(timer)
      }
    }
  }

  endOfTurn(run: () => void): void {
    this.#clock.endOfTurn(() => {
      if (!this.#isDead) run()
    })
  }
}
