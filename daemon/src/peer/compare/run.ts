import type { ComparePurpose, CompareVerdict } from '@parley/client-sdk/contract'
import { Actor, type Exit } from '../../actor/actor.ts'
import type { Clock, Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { Compare, CompareStep } from '../envelope.ts'
import { PeerFault } from '../fault.ts'
import { bindingOf, comparedSecret } from './binding.ts'
import type { ComparatorRun, ComparatorWorker, Computed } from './comparator.ts'
import type { CompareEnds } from './port.ts'
import type { Tries, Try } from './tries.ts'

/** What both sides' programs do takes so long at most, once both have given their secrets. */
export const COMPUTING_MS = 15_000

/** Why a side ends a comparison, as the other is told. */
export type CancelReason = 'DECLINED' | 'BUSY' | 'LOCKED' | 'TIMED_OUT' | 'CANCELLED' | 'FAILED' | 'TAMPERED'

/** What a comparison came to on this side. */
export interface RunOutcome {
  readonly verdict: CompareVerdict
  readonly own: 'match' | 'no-match'
  /** What the other side said; undefined where it said nothing. */
  readonly theirs: 'match' | 'no-match' | undefined
  /** The ends that were compared. */
  readonly ends: CompareEnds
  /** Both sides named this purpose. */
  readonly isForVerifying: boolean
}

export interface RunDeps {
  readonly clock: Clock
  readonly comparator: ComparatorWorker
  readonly tries: Pick<Tries, 'spend' | 'giveBack'>
  readonly contact: string
  send(envelope: Compare): CompareEnds | undefined
  /** The last call: it came to something, or failed. */
  over(run: Run, result: RunOutcome | DaemonError): void
}

/** What a side gives when it starts or answers. */
export interface OwnPart {
  /** Taken over, and wiped. */
  readonly secret: Uint8Array
  /** 32 bytes. */
  readonly nonce: Uint8Array
  readonly purpose: ComparePurpose
}

/** A start that came from the peer. */
export interface PeerStart {
  readonly nonce: Uint8Array
  readonly purpose: ComparePurpose
  readonly question: string
  readonly ends: CompareEnds
}

type Phase =
  /** Ours, and the other side has not answered. */
  | { readonly tag: 'asking'; readonly own: OwnPart; readonly ends: CompareEnds }
  /** Theirs, and nobody here has answered. */
  | { readonly tag: 'waiting'; readonly start: PeerStart }
  /** A message of the comparator is awaited. */
  | { readonly tag: 'message'; readonly number: 1 | 2 | 3 | 4; readonly work: Work }
  /** Computing, or writing down that a try was spent. Nothing may come but a cancel. */
  | { readonly tag: 'busy'; readonly work: Work }
  /** This side has its result, and awaits the other's. */
  | { readonly tag: 'result'; readonly own: 'match' | 'no-match'; readonly work: Work }
  | { readonly tag: 'over' }

/** What belongs to a run in which both sides have given their secrets. */
interface Work {
  readonly comparator: ComparatorRun
  readonly ends: CompareEnds
  readonly isForVerifying: boolean
  spent: Try | undefined
}

type RunMessage =
  | { readonly type: 'computed'; readonly computed: Computed; readonly next: (computed: Computed) => void }
  | { readonly type: 'done'; readonly next: () => void }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'due' }

/**
 * The actor of one comparison with one contact, in either role. `asking` or `waiting`, then messages 1 to 4 in turn, then the results.
 *
 * A try is spent, on disk, before its answer can be seen: by the initiator before message 3 leaves, by the responder before message 4 is
 * computed. A match gives it back. After a proof that does not hold nothing more is sent but the end.
 */
export class Run {
  readonly id: Uint8Array
  readonly isInitiator: boolean
  readonly #deps: RunDeps
  readonly #actor: Actor<RunMessage>
  #phase: Phase
  #timer: Timer | undefined

  /** The peer's start waits from here on. */
  static waiting(id: Uint8Array, start: PeerStart, waitMs: number, deps: RunDeps): Run {
    return new Run(id, false, { tag: 'waiting', start }, waitMs, deps)
  }

  /** Starts one. @throws {DaemonError} `PEER_OFFLINE` */
  static start(id: Uint8Array, own: OwnPart, question: string, waitMs: number, deps: RunDeps): Run {
    const { nonce, purpose } = own
    const ends = deps.send({ ...EMPTY, id, step: 1, nonce, question, result: purposeText(purpose) })
    if (ends === undefined) throw offline()
    return new Run(id, true, { tag: 'asking', own, ends }, waitMs, deps)
  }

  private constructor(id: Uint8Array, isInitiator: boolean, phase: Phase, waitMs: number, deps: RunDeps) {
    this.id = id
    this.isInitiator = isInitiator
    this.#phase = phase
    this.#deps = deps
    const name = `compare/${deps.contact}`
    this.#actor = new Actor<RunMessage>({ name, dataCountMax: 1, controlCountMax: 8 }, deps.clock, () => ({
      receive: message => this.#receive(message),
      stopped: exit => this.#stopped(exit)
    }))
    this.#timer = this.#actor.after(waitMs, { type: 'due' })
  }

  /** Ours, and not answered yet: where the peer's own start crosses it, one of them must yield. */
  get isAsking(): boolean {
    return this.#phase.tag === 'asking'
  }

  /** The peer's start, while nobody here has answered it. */
  get waitingStart(): PeerStart | undefined {
    return this.#phase.tag === 'waiting' ? this.#phase.start : undefined
  }

  /** A local caller gives its secret for this comparison. @throws {DaemonError} `NO_SUCH_COMPARISON` `PEER_OFFLINE` */
  answer(own: OwnPart): void {
    const phase = this.#phase
    if (phase.tag !== 'waiting') throw new DaemonError('NO_SUCH_COMPARISON', 'the comparison does not wait')
    const { nonce, purpose } = own
    const { start } = phase
    if (this.#deps.send({ ...EMPTY, id: this.id, step: 2, nonce, result: purposeText(purpose) }) === undefined)
      throw offline()
    this.#actor.run(() => {
      const nonces = { own: nonce, peer: start.nonce }
      const work = this.#begin(own, start.ends, nonces, start.purpose)
      this.#phase = { tag: 'message', number: 1, work }
    })
  }

  /** @throws {PeerFault} `PROTOCOL_VIOLATION` for a step that is not the next one */
  received(envelope: Compare): void {
    let fault: PeerFault | undefined
    this.#actor.run(() => {
      try {
        this.#take(envelope)
      } catch (error) {
        if (!(error instanceof PeerFault)) throw error
        fault = error
      }
    })
    if (fault !== undefined) throw fault
  }

  /** Ends it; the peer is told `reason`, if there is one. */
  fail(error: DaemonError, reason?: CancelReason): void {
    if (this.#phase.tag === 'over') return
    if (reason !== undefined) this.#deps.send({ ...EMPTY, id: this.id, step: 5, result: reason })
    this.#end(error)
  }

  /** The session is gone. */
  lost(): void {
    this.#finishWithout(offline())
  }

  #receive(message: RunMessage): void {
    if (this.#phase.tag === 'over') return
    if (message.type === 'computed') message.next(message.computed)
    else if (message.type === 'done') message.next()
    else if (message.type === 'failed') this.#failed(message.error)
    else this.#due()
  }

  #stopped(exit: Exit): void {
    if (exit.type === 'normal') return
    this.fail(new DaemonError('INTERNAL', 'the comparison failed', { cause: exit.error }), 'FAILED')
  }

  #take({ step, nonce, message, result }: Compare): void {
    const phase = this.#phase
    if (step === 5) {
      this.#cancelled(result)
      return
    }
    if (step === 2 && phase.tag === 'asking') {
      const { own, ends } = phase
      const work = this.#begin(own, ends, { own: own.nonce, peer: nonce }, purposeOf(result))
      this.#compute(work, work.comparator.begin(), computed => this.#sendMessage(work, computed, 2))
    } else if (step === 3 && phase.tag === 'message') this.#messageCame(phase.number, phase.work, message)
    else if (step === 4 && phase.tag === 'result') this.#resultCame(phase.own, phase.work, result)
    else throw new PeerFault('PROTOCOL_VIOLATION', `step ${step} of a comparison that is ${phase.tag}`)
  }

  /** Both have given their secrets. Wipes the own one. */
  #begin(
    { secret, purpose }: OwnPart,
    ends: CompareEnds,
    nonces: { readonly own: Uint8Array; readonly peer: Uint8Array },
    peerPurpose: ComparePurpose
  ): Work {
    this.#timer?.cancel()
    this.#timer = this.#actor.after(COMPUTING_MS, { type: 'due' })
    const piece = comparedSecret(bindingOf(this.id, ends, nonces, this.isInitiator), secret)
    secret.fill(0)
    const isForVerifying = purpose === 'verify' && peerPurpose === 'verify'
    return { comparator: this.#deps.comparator.open(piece), ends, isForVerifying, spent: undefined }
  }

  #messageCame(number: 1 | 2 | 3 | 4, work: Work, message: Uint8Array): void {
    const compute = (then: (computed: Computed) => void) => this.#compute(work, work.comparator.receive(message), then)
    switch (number) {
      case 1:
        compute(computed => this.#sendMessage(work, computed, 3))
        break
      case 2:
        compute(computed => this.#spend(work, () => this.#sendMessage(work, computed, 4)))
        break
      case 3:
        this.#spend(work, () => compute(computed => this.#decided(work, computed)))
        break
      case 4:
        compute(computed => this.#decided(work, computed))
        break
    }
  }

  /** Computes; nothing goes on where a proof of the peer did not hold. */
  #compute(work: Work, computing: Promise<Computed>, then: (computed: Computed) => void): void {
    this.#phase = { tag: 'busy', work }
    this.#actor.pipe<Computed>(
      computing,
      computed => ({
        type: 'computed',
        computed,
        next: () => (computed.hasFailed ? this.#tampered() : then(computed))
      }),
      error => ({ type: 'failed', error })
    )
  }

  /** Writes down that a try is spent, and goes on when that is on disk. */
  #spend(work: Work, then: () => void): void {
    this.#phase = { tag: 'busy', work }
    this.#actor.pipe<Try>(
      this.#deps.tries.spend(this.#deps.contact),
      spent => ({
        type: 'done',
        next: () => {
          work.spent = spent
          then()
        }
      }),
      error => ({ type: 'failed', error })
    )
  }

  #sendMessage(work: Work, { reply }: Computed, next: 2 | 3 | 4): void {
    if (reply === undefined) throw new TypeError('the comparator has nothing to say')
    if (this.#send({ ...EMPTY, id: this.id, step: 3, message: reply })) {
      this.#phase = { tag: 'message', number: next, work }
    }
  }

  /** This side has its result. */
  #decided(work: Work, { reply, result }: Computed): void {
    if (result === 'pending') throw new TypeError('the comparator has not decided')
    const { comparator, spent } = work
    comparator.close()
    const tell = () => {
      this.#phase = { tag: 'result', own: result, work }
      // The responder's last message lets the initiator decide; it says its result when it hears the initiator's.
      if (reply === undefined) this.#send({ ...EMPTY, id: this.id, step: 4, result })
      else this.#send({ ...EMPTY, id: this.id, step: 3, message: reply })
    }
    if (result === 'no-match' || spent === undefined) {
      tell()
      return
    }
    this.#phase = { tag: 'busy', work }
    this.#actor.pipe<void>(
      this.#deps.tries.giveBack(spent),
      () => ({ type: 'done', next: tell }),
      error => ({ type: 'failed', error })
    )
  }

  #resultCame(own: 'match' | 'no-match', work: Work, theirs: string): void {
    if (theirs !== 'match' && theirs !== 'no-match')
      throw new PeerFault('PROTOCOL_VIOLATION', 'a comparison with no result')
    if (!this.isInitiator) this.#deps.send({ ...EMPTY, id: this.id, step: 4, result: own })
    const verdict = own === theirs ? own : 'disagree'
    const { ends, isForVerifying } = work
    this.#end({ verdict, own, theirs, ends, isForVerifying })
  }

  #cancelled(reason: string): void {
    const shown = /^[A-Z_]{1,40}$/.test(reason) ? reason : 'CANCELLED'
    const data = { reason: shown }
    this.#finishWithout(new DaemonError('COMPARE_REFUSED', `the other side ended the comparison: ${shown}`, { data }))
  }

  #due(): void {
    const error = new DaemonError('TIMED_OUT', 'the comparison was not over in time')
    if (this.#phase.tag !== 'result') this.#deps.send({ ...EMPTY, id: this.id, step: 5, result: 'TIMED_OUT' })
    this.#finishWithout(error)
  }

  /** The other side says nothing more. What this side has found stands, but nobody can say that both found it. */
  #finishWithout(error: DaemonError): void {
    const phase = this.#phase
    if (phase.tag !== 'result') {
      this.#end(error)
      return
    }
    const { own, work } = phase
    const verdict = own === 'match' ? 'disagree' : own
    this.#end({ verdict, own, theirs: undefined, ends: work.ends, isForVerifying: work.isForVerifying })
  }

  #tampered(): void {
    this.fail(new DaemonError('TAMPERED', 'a proof of the other side does not hold'), 'TAMPERED')
  }

  #failed(error: unknown): void {
    if (error instanceof DaemonError) {
      this.fail(error, error.code === 'COMPARE_LOCKED' ? 'LOCKED' : 'FAILED')
    } else if (isProtocolError(error)) this.#tampered()
    else this.fail(new DaemonError('INTERNAL', 'the comparison could not be computed', { cause: error }), 'FAILED')
  }

  /** Sends, or ends the comparison where there is no session. */
  #send(envelope: Compare): boolean {
    const isSent = this.#deps.send(envelope) !== undefined
    if (!isSent) this.lost()
    return isSent
  }

  #end(result: RunOutcome | DaemonError): void {
    const phase = this.#phase
    if (phase.tag === 'over') return
    this.#phase = { tag: 'over' }
    this.#timer?.cancel()
    if (phase.tag === 'asking') phase.own.secret.fill(0)
    else if ('work' in phase) phase.work.comparator.close()
    this.#actor.stop('the comparison is over')
    this.#deps.over(this, result)
  }
}

const NOTHING = new Uint8Array(0)
const EMPTY = { nonce: NOTHING, question: '', message: NOTHING, result: '' } as const

/** An envelope that ends a comparison. */
export function cancelEnvelope(id: Uint8Array, reason: CancelReason): Compare {
  const step: CompareStep = 5
  return { ...EMPTY, id, step, result: reason }
}

/** What the peer's start or answer says that a match is for. */
export function purposeOf(result: string): ComparePurpose {
  return result === 'verify' ? 'verify' : 'compare'
}

function purposeText(purpose: ComparePurpose): string {
  return purpose === 'verify' ? 'verify' : ''
}

function isProtocolError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ProtocolError'
}

export function offline(): DaemonError {
  return new DaemonError('PEER_OFFLINE', 'there is no session with the contact')
}
