import type { CompareResult, EventBody, WaitingComparison } from '@parley/client-sdk/contract'
import { Actor, type Exit } from '../../actor/actor.ts'
import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import type { AuditLog } from '../../observe/audit/port.ts'
import type { Log } from '../../observe/log-port.ts'
import type { RandomBytes } from '../../random.ts'
import type { Store } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import type { Compare } from '../envelope.ts'
import { PeerFault } from '../fault.ts'
import type { CompareAnswer, CompareApi, CompareStart } from './api.ts'
import { COMPARE_ID_BYTES, COMPARE_NONCE_BYTES } from './binding.ts'
import type { ComparatorWorker } from './comparator.ts'
import { type CompareCall, ContactState } from './contact-state.ts'
import type { CompareEnds, Comparing, ComparingSession } from './port.ts'
import { cleanQuestion } from './question.ts'
import { cancelEnvelope, offline, purposeOf, Run, type RunDeps, type RunOutcome } from './run.ts'
import { locked, Tries } from './tries.ts'

/** Comparisons under way with all contacts, in which a secret is held. */
const RUN_COUNT_MAX = 16
/** A start of a contact waits so long for an answer, unless its own side gives up before. */
const WAITING_MS = 3_600_000

export interface ComparisonsDeps {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly store: Store
  readonly sealer: Sealer
  readonly comparator: ComparatorWorker
  readonly log: Log
  readonly options: { readonly clockStepMs: number; readonly clockStepHoldMs: number; readonly sendDialWaitMs: number }
  /** Where verdicts are written down. */
  readonly audit: AuditLog
  /** Who a contact is now; undefined once it is removed. */
  peer(contact: string): { readonly name: string; readonly publicKeyBytes: Uint8Array } | undefined
  /** A match that both sides named for this verifies the contact. */
  verify(contact: string): Promise<unknown>
  /** Has the contact dialled, unless it is in session or at it. */
  dial(contact: string): void
  emit(body: EventBody): void
  count(name: string): void
}

/** The comparisons with all contacts: what waits, what runs, and how many tries are left. */
export class Comparisons implements CompareApi, Comparing {
  readonly #deps: ComparisonsDeps
  readonly #actor: Actor<never>
  readonly #contacts = new Map<string, ContactState>()
  #tries: Tries | undefined
  #isStopping = false

  private constructor(deps: ComparisonsDeps) {
    this.#deps = deps
    this.#actor = new Actor<never>({ name: 'comparisons', dataCountMax: 1, controlCountMax: 1 }, deps.clock, () => ({
      receive: () => {}
    }))
  }

  /** Reads how many tries were spent. @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  static async open(deps: ComparisonsDeps): Promise<Comparisons> {
    const comparisons = new Comparisons(deps)
    comparisons.#tries = await Tries.open({ ...deps, run: code => comparisons.#actor.run(code) })
    return comparisons
  }

  /** A crash is a bug: of the tries, and never of one comparison. */
  get exited(): Promise<Exit> {
    return this.#actor.exited
  }

  /** The store is lost: nothing can be compared until `reload`. */
  storeLost(): void {
    this.#tries?.storeLost()
  }

  /** @throws {DaemonError} as `open` */
  async reload(): Promise<void> {
    await this.#tries?.reload()
  }

  /** The contact was removed. */
  forgetContact(contact: string): void {
    this.closed(contact)
    this.#contacts.delete(contact)
    this.#tries?.forgetContact(contact)
  }

  /** Ends what runs, and takes nothing more. */
  async stop(): Promise<void> {
    this.#isStopping = true
    for (const { run, sessionWaiters } of this.#contacts.values()) {
      run?.fail(new DaemonError('SHUTTING_DOWN', 'the daemon is stopping'), 'CANCELLED')
      for (const wake of [...sessionWaiters]) wake()
    }
    await this.#deps.comparator.stop()
    this.#actor.stop('the daemon is stopping')
  }

  // CompareApi

  async start(request: CompareStart, signal: AbortSignal): Promise<CompareResult> {
    const { contact, question, timeoutMs } = request
    // The caller's buffer may be a part of a larger one, or be used again.
    const secret = takeOver(request.secret)
    try {
      await this.#session(contact, signal)
      return await this.#compare(contact, request.id, signal, (state, call) => {
        this.#assertFree(contact)
        const own = { secret, nonce: this.#deps.randomBytes(COMPARE_NONCE_BYTES), purpose: request.purpose }
        const id = this.#deps.randomBytes(COMPARE_ID_BYTES)
        state.run = Run.start(id, own, cleanQuestion(question), timeoutMs, this.#runDeps(contact))
        state.call = call
        return state.run
      })
    } finally {
      secret.fill(0)
    }
  }

  async answer(request: CompareAnswer, signal: AbortSignal): Promise<CompareResult> {
    const secret = takeOver(request.secret)
    try {
      const [contact, run] = this.#waitingAs(request.compare)
      return await this.#compare(contact, request.id, signal, (state, call) => {
        this.#assertRoom(contact)
        // Whatever becomes of it, this call is told.
        state.call = call
        try {
          run.answer({ secret, nonce: this.#deps.randomBytes(COMPARE_NONCE_BYTES), purpose: request.purpose })
        } catch (error) {
          state.call = undefined
          throw error
        }
        state.startAnswered()
        this.#toldOver(contact, run)
        return run
      })
    } finally {
      secret.fill(0)
    }
  }

  cancel(contact: string, id: string | undefined): void {
    const state = this.#contacts.get(contact)
    const { run, call } = state ?? {}
    if (run === undefined || (id !== undefined && call?.id !== id)) throw noSuch()
    const isDeclined = run.waitingStart !== undefined
    run.fail(new DaemonError('STOPPED', 'the comparison was cancelled'), isDeclined ? 'DECLINED' : 'CANCELLED')
  }

  waiting(): readonly WaitingComparison[] {
    const all: WaitingComparison[] = []
    for (const [contact, state] of this.#contacts) {
      const waiting = this.#describe(contact, state)
      if (waiting !== undefined) all.push(waiting)
    }
    return all.sort((a, b) => a.startedAt - b.startedAt)
  }

  // Comparing

  opened(contact: string, session: ComparingSession): void {
    const state = this.#stateOf(contact)
    state.session = session
    for (const wake of [...state.sessionWaiters]) wake()
  }

  closed(contact: string): void {
    const state = this.#contacts.get(contact)
    state?.run?.lost()
    state?.forgetSession()
  }

  received(contact: string, envelope: Compare, ends: CompareEnds): void {
    const state = this.#stateOf(contact)
    const id = hexOf(envelope.id)
    if (envelope.step === 1) this.#peerStarted(contact, state, id, envelope, ends)
    else if (state.run !== undefined && hexOf(state.run.id) === id) this.#receivedFor(state.run, envelope)
    else if (envelope.step === 5) state.ended(id)
    else if (!state.hasEnded(id)) throw new PeerFault('PROTOCOL_VIOLATION', 'a step of a comparison that never was')
    else if (envelope.step === 2) {
      if (!state.takeReminder(id)) throw new PeerFault('PROTOCOL_VIOLATION', 'a second answer to one comparison')
      state.session?.send(cancelEnvelope(envelope.id, 'CANCELLED'))
    }
    // What was on its way when the comparison ended is of no use any more.
  }

  #receivedFor(run: Run, envelope: Compare): void {
    try {
      run.received(envelope)
    } catch (error) {
      if (error instanceof PeerFault) {
        const data = { reason: 'FAILED' }
        run.fail(new DaemonError('COMPARE_REFUSED', 'the other side broke the rules of comparing', { data }))
      }
      throw error
    }
  }

  #peerStarted(contact: string, state: ContactState, id: string, envelope: Compare, ends: CompareEnds): void {
    const { clock } = this.#deps
    const { run } = state
    if (run !== undefined && hexOf(run.id) === id)
      throw new PeerFault('PROTOCOL_VIOLATION', 'a comparison that is there was started again')
    const mayTell = state.countStart(clock.monotonicMs())
    // A cancel may overtake its start where the session changes its link.
    if (state.hasEnded(id)) return
    const isLocked = (this.#tries?.lockedForMs(contact) ?? 0) > 0
    const refuse = (reason: 'BUSY' | 'LOCKED') => {
      state.ended(id)
      state.session?.send(cancelEnvelope(envelope.id, reason))
    }
    const isCrossing = run?.isAsking === true
    // Of two starts that cross, that of the smaller key stands; its owner says nothing to the other one.
    if (isCrossing) state.crossed(run)
    if (isCrossing && Buffer.compare(ends.ownPublicKey, ends.peerPublicKey) < 0) state.ended(id)
    else if (this.#isStopping || (!isCrossing && (!mayTell || run !== undefined))) refuse('BUSY')
    else if (isLocked) refuse('LOCKED')
    else {
      const start = {
        nonce: envelope.nonce,
        purpose: purposeOf(envelope.result),
        question: cleanQuestion(envelope.question),
        ends
      }
      const { question, purpose } = start
      run?.fail(waitingError({ compare: id, question, purpose }))
      state.startedAt = clock.wallMs()
      state.run = Run.waiting(envelope.id, start, WAITING_MS, this.#runDeps(contact))
      const waiting = this.#describe(contact, state)
      if (waiting !== undefined) this.#deps.emit({ kind: 'compare.waiting', ...waiting })
    }
  }

  // Runs

  /** Waits a while for a session. @throws {DaemonError} `PEER_OFFLINE` `NOT_SUPPORTED` */
  async #session(contact: string, signal: AbortSignal): Promise<void> {
    const { clock, options, dial } = this.#deps
    const state = this.#stateOf(contact)
    if (state.session === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = clock.timer(options.sendDialWaitMs, resolve)
      state.sessionWaiters.add(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      dial(contact)
      await promise
      timer.cancel()
      state.sessionWaiters.delete(resolve)
    }
    if (state.session === undefined) throw offline()
    if (!state.session.isSupported)
      throw new DaemonError('NOT_SUPPORTED', 'the contact runs a version that cannot compare')
  }

  /** Takes a run from `begin`, and resolves at its end. */
  #compare(
    contact: string,
    id: string | undefined,
    signal: AbortSignal,
    begin: (state: ContactState, call: CompareCall) => Run
  ): Promise<CompareResult> {
    if (this.#isStopping) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
    if (signal.aborted) throw new DaemonError('STOPPED', 'nobody waits for the outcome')
    const state = this.#stateOf(contact)
    const { promise, resolve, reject } = Promise.withResolvers<CompareResult>()
    let run: Run | undefined
    const abort = () => run?.fail(new DaemonError('STOPPED', 'nobody waits for the outcome'), 'CANCELLED')
    const call: CompareCall = {
      id,
      over: (ended, result) => {
        signal.removeEventListener('abort', abort)
        if (result instanceof DaemonError) reject(result)
        else this.#conclude(contact, ended, result).then(resolve, reject)
      }
    }
    run = begin(state, call)
    signal.addEventListener('abort', abort, { once: true })
    return promise
  }

  #runDeps(contact: string): RunDeps {
    const { clock, comparator } = this.#deps
    return {
      clock,
      comparator,
      contact,
      tries: this.#assertTries(),
      send: envelope => this.#contacts.get(contact)?.session?.send(envelope),
      over: (run, result) => this.#over(contact, run, result)
    }
  }

  #over(contact: string, run: Run, result: RunOutcome | DaemonError): void {
    const state = this.#stateOf(contact)
    const id = hexOf(run.id)
    const { call } = state
    state.ended(id)
    if (state.run === run) {
      state.run = undefined
      state.call = undefined
    }
    this.#deps.count(`comparisons_${result instanceof DaemonError ? result.code : result.verdict}`)
    if (result instanceof DaemonError && result.code === 'INTERNAL')
      this.#deps.log.error({ contact, err: result }, 'a comparison failed')
    if (call === undefined) this.#toldOver(contact, run)
    else call.over(run, result)
  }

  /** The verdict is written down, and what follows from it, before anybody is told. */
  async #conclude(contact: string, run: Run, outcome: RunOutcome): Promise<CompareResult> {
    const { audit, peer, verify } = this.#deps
    const { verdict, own, theirs, ends, isForVerifying } = outcome
    const compare = hexOf(run.id)
    const publicKey = peer(contact)?.publicKeyBytes
    const isSame = publicKey !== undefined && Buffer.compare(publicKey, ends.peerPublicKey) === 0
    const verified = verdict === 'match' && isForVerifying && isSame
    const action = verdict === 'match' ? 'compare.match' : 'compare.no-match'
    const detail = { compare, role: run.isInitiator ? 'initiator' : 'responder', own, theirs: theirs ?? 'unknown' }
    await audit.record({ action, subject: contact, by: 'local', detail })
    if (verified) await verify(contact)
    return { compare, verdict, verified }
  }

  #toldOver(contact: string, run: Run): void {
    const compare = hexOf(run.id)
    this.#deps.emit({ kind: 'compare.over', compare, contact, name: this.#nameOf(contact) })
  }

  // What there is

  #describe(contact: string, { run, startedAt }: ContactState): WaitingComparison | undefined {
    const start = run?.waitingStart
    if (run === undefined || start === undefined) return undefined
    const { question, purpose } = start
    return { compare: hexOf(run.id), contact, name: this.#nameOf(contact), question, purpose, startedAt }
  }

  #nameOf(contact: string): string {
    return this.#deps.peer(contact)?.name ?? contact
  }

  #waitingAs(compare: string): [string, Run] {
    for (const [contact, { run }] of this.#contacts) {
      if (run?.waitingStart !== undefined && hexOf(run.id) === compare) return [contact, run]
    }
    throw noSuch()
  }

  #assertFree(contact: string): void {
    const state = this.#stateOf(contact)
    const waiting = this.#describe(contact, state)
    if (waiting !== undefined) throw waitingError(waiting)
    if (state.run !== undefined) throw new DaemonError('COMPARE_BUSY', 'a comparison with this contact is under way')
    this.#assertRoom(contact)
  }

  #assertRoom(contact: string): void {
    const lockedMs = this.#assertTries().lockedForMs(contact)
    if (lockedMs > 0) throw locked(lockedMs)
    let count = 0
    for (const { call } of this.#contacts.values()) if (call !== undefined) count++
    if (count >= RUN_COUNT_MAX) throw new DaemonError('COMPARE_BUSY', `${RUN_COUNT_MAX} comparisons are under way`)
  }

  #assertTries(): Tries {
    if (this.#tries === undefined) throw new TypeError('comparisons are open from their start')
    return this.#tries
  }

  #stateOf(contact: string): ContactState {
    let state = this.#contacts.get(contact)
    if (state === undefined) {
      state = new ContactState()
      this.#contacts.set(contact, state)
    }
    return state
  }
}

/** A copy of its own; the caller's bytes are overwritten. */
function takeOver(secret: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(secret)
  secret.fill(0)
  return copy
}

function waitingError({
  compare,
  question,
  purpose
}: Pick<WaitingComparison, 'compare' | 'question' | 'purpose'>): DaemonError {
  const data = { compare, question, purpose }
  return new DaemonError('COMPARE_WAITING', 'the contact has started a comparison, which waits for an answer', { data })
}

function noSuch(): DaemonError {
  return new DaemonError('NO_SUCH_COMPARISON', 'no comparison of that kind is under way')
}
