import type { Clock, Timer } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import type { ByteStream, Transport } from '../transport/port.ts'
import { BackOff, type BackOffOptions } from './back-off.ts'
import type { Contact } from './contact.ts'
import { dialRound } from './dial-round.ts'
import { SESSION_PROTOCOL } from './hello.ts'

export interface DialLimits extends BackOffOptions {
  readonly dialIntervalMs: number
  readonly dialTimeoutMs: number
  readonly handshakesPerMinutePerContact: number
}

/** The outcome of a round, as mail for the session that owns the dialler. */
export type DialOutcome =
  | { readonly type: 'dialled'; readonly stream: ByteStream; readonly rekeyGeneration: number | undefined }
  | { readonly type: 'dial-failed'; readonly error: unknown }
  | { readonly type: 'dial-due' }

/** The actor that owns a dialler, and takes its outcomes. */
export interface DialOwner {
  readonly clock: Clock
  after(delayMs: number, message: DialOutcome): Timer
  pipe<T>(work: Promise<T>, done: (value: T) => DialOutcome, failed: (error: unknown) => DialOutcome): void
}

const MINUTE_MS = 60_000

/** When and whether one contact is dialled: one round at a time, an interval between rounds, a budget of handshakes, back-off. */
export class Dialler {
  readonly #owner: DialOwner
  readonly #transport: Transport
  readonly #limits: DialLimits
  readonly #backOff: BackOff
  readonly #stopping = new AbortController()
  #round = new AbortController()
  #handshakesAtMs: number[] = []
  #startedAtMs = Number.NEGATIVE_INFINITY
  #due:
    | {
        readonly timer: Timer
        readonly atMs: number
        readonly atWallMs: number
        readonly rekeyGeneration: number | undefined
      }
    | undefined
  #isBusy = false
  #isRekeying = false
  #isHopeless = false

  constructor(owner: DialOwner, transport: Transport, limits: DialLimits, randomBytes: RandomBytes) {
    this.#owner = owner
    this.#transport = transport
    this.#limits = limits
    this.#backOff = new BackOff(limits, randomBytes)
  }

  /** A round is under way. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /** Wall time of the next round, when one is planned. */
  get nextDialAt(): number | undefined {
    return this.#due?.atWallMs
  }

  /** A round for rekeying is under way. */
  get isRekeying(): boolean {
    return this.#isRekeying
  }

  /** A round is under way, or begins so soon that its outcome is worth waiting for. */
  get isAtIt(): boolean {
    if (this.#isBusy) return true
    return this.#due !== undefined && this.#due.atMs - this.#owner.clock.monotonicMs() <= this.#limits.dialIntervalMs
  }

  /** Counts a handshake against the budget of the last minute; false, and not counted, when it is used up. */
  mayHandshake(): boolean {
    const nowMs = this.#owner.clock.monotonicMs()
    this.#handshakesAtMs = this.#handshakesAtMs.filter(atMs => nowMs - atMs < MINUTE_MS)
    if (this.#handshakesAtMs.length >= this.#limits.handshakesPerMinutePerContact) return false
    this.#handshakesAtMs.push(nowMs)
    return true
  }

  /** Starts a round; false when one began too short a time ago, or the budget is used up. */
  dialNow(contact: Contact, rekeyGeneration: number | undefined): boolean {
    const { clock } = this.#owner
    if (this.#isBusy || this.#stopping.signal.aborted) return false
    if (clock.monotonicMs() - this.#startedAtMs < this.#limits.dialIntervalMs || !this.mayHandshake()) return false
    this.#cancelDue()
    this.#startedAtMs = clock.monotonicMs()
    this.#isBusy = true
    this.#isRekeying = rekeyGeneration !== undefined
    this.#round = new AbortController()
    const signal = AbortSignal.any([this.#stopping.signal, this.#round.signal])
    const round = dialRound({
      transport: this.#transport,
      clock,
      nodeId: contact.card.nodeId,
      addresses: contact.addresses,
      protocol: SESSION_PROTOCOL,
      dialTimeoutMs: this.#limits.dialTimeoutMs,
      staggerMs: this.#limits.dialIntervalMs,
      signal
    }).then(stream => {
      if (!signal.aborted) return stream
      stream.reset('not wanted any more')
      throw signal.reason
    })
    this.#owner.pipe<ByteStream>(
      round,
      stream => ({ type: 'dialled', stream, rekeyGeneration }),
      error => ({ type: 'dial-failed', error })
    )
    return true
  }

  /** Plans a round for rekeying at the earliest time that the interval allows. */
  planRekey(generation: number): void {
    if (this.#isBusy || this.#due !== undefined) return
    this.#plan(
      Math.max(0, this.#startedAtMs + this.#limits.dialIntervalMs - this.#owner.clock.monotonicMs()),
      generation
    )
  }

  /** Plans a round by back-off, unless one is planned or under way. */
  dialLater(): void {
    if (this.#isBusy || this.#due !== undefined) return
    const { dialIntervalMs, backOffMaxMs } = this.#limits
    const earliestMs = this.#startedAtMs + dialIntervalMs - this.#owner.clock.monotonicMs()
    const backOffMs = this.#isHopeless ? backOffMaxMs : this.#backOff.nextMs()
    this.#plan(Math.max(earliestMs, backOffMs, 0), undefined)
  }

  /** The round's outcome has been taken. */
  roundOver(): void {
    this.#isBusy = false
    this.#isRekeying = false
  }

  /** The planned round is due. Returns the generation it was planned for. */
  takeDue(): number | undefined {
    const generation = this.#due?.rekeyGeneration
    this.#due = undefined
    return generation
  }

  /** The versions do not fit: the next rounds wait as long as rounds ever do. */
  setHopeless(): void {
    this.#isHopeless = true
  }

  /** Forgets failures and what was planned because of them. */
  forget(): void {
    this.#backOff.clear()
    this.#isHopeless = false
    this.#cancelDue()
  }

  /** Gives up the round under way, which then fails with `STOPPED`. */
  abandonRound(): void {
    this.#round.abort(new DaemonError('STOPPED', 'the addresses have changed'))
  }

  /** Ends the round under way and starts no more. */
  stop(): void {
    this.#cancelDue()
    this.#stopping.abort(new DaemonError('STOPPED', 'the session has stopped'))
  }

  #plan(delayMs: number, rekeyGeneration: number | undefined): void {
    if (this.#stopping.signal.aborted) return
    const timer = this.#owner.after(delayMs, { type: 'dial-due' })
    const atMs = this.#owner.clock.monotonicMs() + delayMs
    this.#due = { timer, atMs, atWallMs: this.#owner.clock.wallMs() + Math.round(delayMs), rekeyGeneration }
  }

  #cancelDue(): void {
    this.#due?.timer.cancel()
    this.#due = undefined
  }
}
