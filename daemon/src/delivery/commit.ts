import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { Store, StoreWrite } from '../store/port.ts'

export interface GroupCommitDeps {
  readonly store: Pick<Store, 'batch'>
  readonly clock: Pick<Clock, 'endOfTurn'>
  /** Runs code as a part of the owner: what it throws is the owner's crash. */
  readonly run: (code: () => void) => void
  /** A batch has failed. The owner calls `lose` if it was not called already. */
  readonly failed: (error: unknown) => void
}

/** The write of a subject as it is when the batch is written. */
export type MakeWrite = () => StoreWrite

interface Outcome {
  readonly done: () => void
  readonly failed: ((error: DaemonError) => void) | undefined
}

/**
 * Gathers writes and puts them on disk together: at the end of the turn, as one synced batch. At most one is in flight; what comes
 * meanwhile goes with the next.
 */
export class GroupCommit {
  readonly #deps: GroupCommitDeps
  #writes = new Map<object, MakeWrite>()
  #outcomes: Outcome[] = []
  #inFlight: Outcome[] = []
  #isInFlight = false
  #isScheduled = false
  #isLost = false
  /** Tells the outcome of a batch from before a loss. */
  #generation = 0
  #batchCount = 0

  constructor(deps: GroupCommitDeps) {
    this.#deps = deps
  }

  /** Batches written since the start. */
  get batchCount(): number {
    return this.#batchCount
  }

  /**
   * Makes a write part of the next batch, in place of an earlier one there for the same `subject`. By itself it causes no batch:
   * `afterwards` or `synced` does.
   */
  write(subject: object, makeWrite: MakeWrite): void {
    if (!this.#isLost) this.#writes.set(subject, makeWrite)
  }

  /**
   * Calls `done` once everything that was given to `write` so far is on disk, in the order of these calls; or `failed` with
   * `STORE_UNAVAILABLE`. Neither runs on the caller's stack, unless the store is lost already.
   */
  afterwards(done: () => void, failed?: (error: DaemonError) => void): void {
    if (this.#isLost) {
      failed?.(unavailable())
      return
    }
    this.#outcomes.push({ done, failed })
    if (this.#isScheduled || this.#isInFlight) return
    this.#isScheduled = true
    this.#deps.clock.endOfTurn(() => this.#deps.run(this.#flush))
  }

  /** The batch goes to disk soon; nobody waits for it. */
  soon(): void {
    this.afterwards(() => undefined)
  }

  /** @throws {DaemonError} `STORE_UNAVAILABLE` */
  synced(): Promise<void> {
    return new Promise((resolve, reject) => this.afterwards(resolve, reject))
  }

  /** Forgets what waits and what is in flight, whose callers hear `STORE_UNAVAILABLE`, and takes nothing more. */
  lose(): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#generation++
    const lost = [...this.#inFlight, ...this.#outcomes]
    this.#writes = new Map()
    this.#outcomes = []
    this.#inFlight = []
    this.#isInFlight = false
    for (const { failed } of lost) failed?.(unavailable())
  }

  /** Takes writes again. */
  resume(): void {
    this.#isLost = false
  }

  readonly #flush = (): void => {
    this.#isScheduled = false
    if (this.#isInFlight || this.#isLost || this.#outcomes.length === 0) return
    const writes = [...this.#writes.values()].map(makeWrite => makeWrite())
    this.#writes = new Map()
    this.#inFlight = this.#outcomes
    this.#outcomes = []
    this.#isInFlight = true
    this.#batchCount++
    const generation = this.#generation
    this.#deps.store.batch(writes, { sync: true }).then(
      () => this.#deps.run(() => this.#settle(generation)),
      error => this.#deps.run(() => this.#fail(generation, error))
    )
  }

  #settle(generation: number): void {
    if (generation !== this.#generation) return
    const outcomes = this.#inFlight
    this.#inFlight = []
    this.#isInFlight = false
    for (const { done } of outcomes) done()
    this.#flush()
  }

  #fail(generation: number, error: unknown): void {
    if (generation !== this.#generation) return
    this.#deps.failed(error)
    this.lose()
  }
}

function unavailable(): DaemonError {
  return new DaemonError('STORE_UNAVAILABLE', 'the store cannot be written')
}
