import type { Clock, Timer } from '../../actor/clock.ts'
import type { Distribution } from './distribution.ts'
import type { DurableLanes } from './durable-lanes.ts'
import type { Elapsed } from './elapsed.ts'

export interface RetentionDeps {
  readonly core: Distribution
  readonly lanes: DurableLanes
  readonly elapsed: Elapsed
  readonly clock: Clock
  /** Runs code as a part of the inbox. */
  readonly run: (code: () => void) => void
  /** Called with each sweep: time is kept on disk now and then, so that a crash forgets little of it. */
  readonly swept: () => void
  readonly inboxRetentionMs: number
}

const SWEEP_INTERVAL_MS_MAX = 3_600_000

/** Lets go durable messages that were kept for their time. Senders of those that no consumer has handled are told. */
export class Retention {
  readonly #deps: RetentionDeps
  #timer: Timer | undefined

  constructor(deps: RetentionDeps) {
    this.#deps = deps
  }

  /** Sweeps from now on: each hour, or more often where messages are kept for less. */
  start(): void {
    const { clock, run, inboxRetentionMs } = this.#deps
    this.#timer = clock.timer(Math.min(SWEEP_INTERVAL_MS_MAX, Math.ceil(inboxRetentionMs / 8)), () => {
      run(() => this.sweep())
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  sweep(): void {
    const { core, lanes, elapsed, inboxRetentionMs, swept } = this.#deps
    if (!lanes.isAvailable) return
    const until = elapsed.nowMs() - inboxRetentionMs
    for (const entry of core.log.kept()) {
      // What is on its way to the disk came just now.
      if (entry.first >= core.log.readyEnd) break
      if (entry.durable !== undefined && entry.durable.receivedAtMs <= until) lanes.expire(entry, 'NOT_HANDLED')
    }
    if (lanes.credit.waitingCount > 0) lanes.credit.retry()
    swept()
  }
}
