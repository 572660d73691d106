import type { Clock } from '../../daemon/src/actor/clock.ts'
import { DaemonError } from '../../daemon/src/errors.ts'
import { type MemoryDisk, MemoryStore } from '../../daemon/src/store/memory.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from '../../daemon/src/store/port.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

/** Where in a store operation the process dies: the batch is not in the log; in the log and not on disk; on disk and not answered. */
export type CrashPoint = 'before' | 'within' | 'after'

export interface FaultyStoreDeps {
  readonly disk: MemoryDisk
  /** That of the daemon: what a killed one waits for never comes. */
  readonly clock: Clock
  readonly random: SeededRandom
  /** Kills the daemon, at once. */
  onCrash(point: CrashPoint): void
  onFailedWrite(): void
}

const WRITE_MS_MAX = 6

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

/** A store whose writes take time, and which dies or fails where it is told to. */
export class FaultyStore implements Store {
  readonly #deps: FaultyStoreDeps
  #inner: MemoryStore
  #isDead = false
  #crash: { left: number; readonly point: CrashPoint } | undefined
  #failsUntilMs = 0
  #healCount = 0

  constructor(deps: FaultyStoreDeps) {
    this.#deps = deps
    this.#inner = this.#newStore()
  }

  /** The process dies at the `count`-th write from now. */
  crashAt(count: number, point: CrashPoint): void {
    this.#crash = { left: count, point }
  }

  /** Every write fails for so long; what the failing ones leave on disk is up to chance. */
  failFor(durationMs: number): void {
    this.#failsUntilMs = this.#deps.clock.monotonicMs() + durationMs
  }

  /** The process is gone. Nothing that it waits for is answered. */
  kill(): void {
    this.#isDead = true
  }

  /** Nothing is planned any more, not even the end of a process whose write is on its way. */
  heal(): void {
    this.#healCount++
    this.#crash = undefined
    this.#failsUntilMs = 0
  }

  async open(): Promise<void> {
    if (this.#isDead) return never()
    await this.#inner.open()
  }

  async close(): Promise<void> {
    if (!this.#isDead) await this.#inner.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(sublevel, key)
  }

  async *range(sublevel: Sublevel, range?: StoreRange): AsyncGenerator<StoreEntry, void, undefined> {
    if (this.#isDead) await never()
    yield* this.#inner.range(sublevel, range)
  }

  async batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (this.#isDead) return never()
    const point = this.#due()
    if (point === 'before') return this.#die('before')
    if (this.#deps.clock.monotonicMs() < this.#failsUntilMs) return this.#fail(writes)
    const healCount = this.#healCount
    const written = this.#inner.batch(writes, options)
    if (point === 'within') {
      written.catch(() => undefined) // nobody is there to hear of it
      return this.#die('within')
    }
    await written
    if (this.#isDead) return never()
    if (point === 'after' && healCount === this.#healCount) return this.#die('after')
  }

  #due(): CrashPoint | undefined {
    if (this.#crash === undefined || --this.#crash.left > 0) return undefined
    const { point } = this.#crash
    this.#crash = undefined
    return point
  }

  #die(point: CrashPoint): Promise<never> {
    this.#deps.onCrash(point)
    return never()
  }

  /** As after a failed write of LevelDB: what was in flight is on disk or not, and nothing goes before a reopening. */
  async #fail(writes: readonly StoreWrite[]): Promise<never> {
    const { disk, random, onFailedWrite } = this.#deps
    onFailedWrite()
    if (random.below(2) === 0) disk.append(writes.map(write => ({ ...write })))
    disk.crash(length => random.bytes(length))
    this.#inner = this.#newStore()
    throw new DaemonError('STORE_UNAVAILABLE', 'a write failed')
  }

  #newStore(): MemoryStore {
    const { disk, clock, random } = this.#deps
    let dueMs = 0
    // As in one log, nothing is written before what was asked for earlier.
    const written = () => {
      dueMs = Math.max(dueMs, clock.monotonicMs() + random.below(WRITE_MS_MAX))
      return new Promise<void>(resolve => void clock.timer(dueMs - clock.monotonicMs(), resolve))
    }
    return new MemoryStore(disk, { written })
  }
}
