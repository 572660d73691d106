import type { DaemonError } from '../../errors.ts'
import { PeerFault } from '../fault.ts'
import type { ComparingSession } from './port.ts'
import type { Run, RunOutcome } from './run.ts'

/** Starts of one contact in a minute that nobody here answers: so many are told, more are refused, and many more end the session. */
const START_TOLD_MAX = 10
const START_COUNT_MAX = 100
const START_WINDOW_MS = 60_000
const ENDED_COUNT_MAX = 32

/** Who waits for the outcome of a comparison. */
export interface CompareCall {
  readonly id: string | undefined
  /** Called once. */
  over(run: Run, result: RunOutcome | DaemonError): void
}

/** What is known of comparisons with one contact. */
export class ContactState {
  session: ComparingSession | undefined
  /** The one at most that runs or waits. */
  run: Run | undefined
  /** The local call that started or answered it. */
  call: CompareCall | undefined
  /** When it came, where the peer started it. */
  startedAt = 0
  /** Those who wait for a session. */
  readonly sessionWaiters = new Set<() => void>()
  /** Comparisons of this session that are over, by ID, and whether the peer may still be told so. */
  readonly #ended = new Map<string, boolean>()
  #startsMs: number[] = []
  /** Our start that the peer's has crossed last. */
  #crossed: Run | undefined

  /** Whether one more start of the contact may be told. @throws {PeerFault} `FLOODED` */
  countStart(nowMs: number): boolean {
    this.#startsMs = this.#startsMs.filter(atMs => nowMs - atMs < START_WINDOW_MS)
    if (this.#startsMs.length >= START_COUNT_MAX)
      throw new PeerFault('FLOODED', 'comparisons faster than anyone answers')
    this.#startsMs.push(nowMs)
    return this.#startsMs.length <= START_TOLD_MAX
  }

  /** Both sides wanted to compare: one start for each of ours is no flood. */
  crossed(run: Run): void {
    if (this.#crossed === run) return
    this.#crossed = run
    this.startAnswered()
  }

  /** What somebody here wanted is no flood. */
  startAnswered(): void {
    this.#startsMs.pop()
  }

  ended(id: string): void {
    this.#ended.set(id, true)
    const [oldest] = this.#ended.keys()
    if (this.#ended.size > ENDED_COUNT_MAX && oldest !== undefined) this.#ended.delete(oldest)
  }

  hasEnded(id: string): boolean {
    return this.#ended.has(id)
  }

  /** Whether the peer, which still acts on a comparison that is over, has not been told so again. True once. */
  takeReminder(id: string): boolean {
    const mayRemind = this.#ended.get(id) === true
    if (mayRemind) this.#ended.set(id, false)
    return mayRemind
  }

  /** The session is gone, and with it what its IDs meant. */
  forgetSession(): void {
    this.session = undefined
    this.#ended.clear()
  }
}
