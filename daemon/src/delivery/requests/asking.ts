import type { ErrorCode } from '@parley/client-sdk/contract'
import type { Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import type { RequestEnvelope } from '../port.ts'
import type { RequestsDeps, RequestToSend } from './api.ts'
import type { Outlet } from './outlet.ts'
import { type Executed, errorOfReject, idText, REQUEST_ID_BYTES, requestError } from './wire.ts'

type TakenRequest = { readonly envelope: RequestEnvelope; readonly bytes: number }

/** A request of an app of this host that is not answered. */
interface Asked {
  readonly contact: string
  readonly id: Uint8Array
  readonly callId: string | undefined
  readonly name: string
  readonly body: Uint8Array
  readonly deadlineMs: number
  /** Where it was written; the answer may come by another session. */
  sentOn: Outlet | undefined
  /** Takes its timer and its signal back. */
  release(): void
  resolve(body: Uint8Array): void
  reject(error: DaemonError): void
}

/** What is asked of one contact, by wire ID, oldest first. */
interface AskedContact {
  readonly waiting: Map<string, Asked>
  readonly sent: Map<string, Asked>
  bytes: number
  outlet: Outlet | undefined
  /** How long what waits goes on without a session. */
  offline: Timer | undefined
}

/** The requests that apps of this host make. */
export class Asking {
  readonly #deps: RequestsDeps
  readonly #contacts = new Map<string, AskedContact>()
  readonly #byCallId = new Map<string, Asked>()
  #count = 0
  #bytes = 0
  #isStopped = false

  constructor(deps: RequestsDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#count
  }

  send(request: RequestToSend, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#isStopped) throw requestError('SHUTTING_DOWN', 'the daemon is stopping', 'no')
    if (signal.aborted) throw requestError('STOPPED', 'nobody waits for the answer', 'no')
    if (request.id !== undefined && this.#byCallId.has(request.id))
      throw new DaemonError('INVALID_PARAMS', 'id: a request with this id is in flight')
    const state = this.#stateOf(request.contact)
    try {
      this.#assertRoom(state, request)
    } catch (error) {
      this.#forgetIdle(request.contact, state)
      throw error
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const asked = this.#ask(request, signal, resolve, reject)
    state.waiting.set(idText(asked.id), asked)
    state.bytes += asked.body.length
    this.#count++
    this.#bytes += asked.body.length
    if (state.outlet !== undefined) state.outlet.session.wake()
    else this.#waitForSession(request.contact, state)
    return promise
  }

  cancel(callId: string): void {
    const asked = this.#byCallId.get(callId)
    if (asked === undefined) throw new DaemonError('NO_SUCH_REQUEST', 'no request with this id is in flight')
    this.#fail(asked, 'STOPPED', 'the request was cancelled')
  }

  attach(contact: string, outlet: Outlet): void {
    const state = this.#stateOf(contact)
    state.outlet = outlet
    state.offline?.cancel()
    state.offline = undefined
  }

  detach(contact: string, outlet: Outlet): void {
    const state = this.#contacts.get(contact)
    if (state?.outlet !== outlet) return
    state.outlet = undefined
    if (state.waiting.size > 0) this.#waitForSession(contact, state)
    else this.#forgetIdle(contact, state)
  }

  /** The next request that may be written on `outlet`. */
  take(contact: string, outlet: Outlet, bytesMax: number, mayExceed: boolean): TakenRequest | undefined {
    const state = this.#contacts.get(contact)
    for (const [key, asked] of state?.waiting ?? []) {
      const { body, id, name } = asked
      if (body.length > outlet.session.messageBytesMax) {
        this.#fail(asked, 'TOO_LARGE', `the peer takes at most ${outlet.session.messageBytesMax} bytes`)
        continue
      }
      if ((body.length > bytesMax && !mayExceed) || !outlet.mayAsk(body.length)) return undefined
      outlet.sentCount++
      outlet.sentBytes += body.length
      state?.waiting.delete(key)
      state?.sent.set(key, asked)
      asked.sentOn = outlet
      const timeLeftMs = Math.max(1, Math.ceil(asked.deadlineMs - this.#deps.clock.monotonicMs()))
      return { envelope: { request: { id, name, timeLeftMs, body } }, bytes: body.length }
    }
    return undefined
  }

  /** An answer. One to nothing is late: its request has failed here by then. */
  answered(contact: string, id: Uint8Array, body: Uint8Array): void {
    const asked = this.#contacts.get(contact)?.sent.get(idText(id))
    if (asked === undefined) return
    this.#remove(asked)
    asked.resolve(body)
  }

  rejected(contact: string, id: Uint8Array, code: string, text: string): void {
    const asked = this.#contacts.get(contact)?.sent.get(idText(id))
    if (asked === undefined) return
    this.#remove(asked)
    asked.reject(errorOfReject(code, text, this.#nameOf(contact), asked.name))
  }

  /** Fails what was written on a session that is no longer the one to send on. */
  lost(contact: string): void {
    for (const asked of [...(this.#contacts.get(contact)?.sent.values() ?? [])]) {
      if (asked.sentOn?.isDetached === true)
        this.#fail(asked, 'PEER_OFFLINE', `the session with ${this.#nameOf(contact)} was lost before the answer`)
    }
  }

  unreachable(contact: string, code: ErrorCode, message: string): void {
    for (const asked of [...(this.#contacts.get(contact)?.waiting.values() ?? [])]) this.#fail(asked, code, message)
  }

  forget(contact: string): void {
    const state = this.#contacts.get(contact)
    for (const asked of [...(state?.waiting.values() ?? []), ...(state?.sent.values() ?? [])])
      this.#fail(asked, 'PEER_OFFLINE', 'the contact was removed')
  }

  stop(): void {
    this.#isStopped = true
    for (const { waiting, sent } of [...this.#contacts.values()])
      for (const asked of [...waiting.values(), ...sent.values()])
        this.#fail(asked, 'SHUTTING_DOWN', 'the daemon is stopping')
  }

  #ask(
    { contact, name, body, timeoutMs, id: callId }: RequestToSend,
    signal: AbortSignal,
    resolve: Asked['resolve'],
    reject: Asked['reject']
  ): Asked {
    const { clock, randomBytes } = this.#deps
    const timer = clock.timer(timeoutMs, () => this.#fail(asked, 'DEADLINE', this.#describeLate(asked)))
    const onAbort = () => this.#fail(asked, 'STOPPED', 'nobody waits for the answer')
    signal.addEventListener('abort', onAbort, { once: true })
    const asked: Asked = {
      ...{ contact, name, body, callId, resolve, reject },
      id: randomBytes(REQUEST_ID_BYTES),
      deadlineMs: clock.monotonicMs() + timeoutMs,
      sentOn: undefined,
      release: () => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
      }
    }
    if (callId !== undefined) this.#byCallId.set(callId, asked)
    return asked
  }

  #assertRoom(state: AskedContact, { body }: RequestToSend): void {
    const { requestContactCountMax, requestContactBytesMax, requestAllCountMax, requestAllBytesMax } = this.#deps.limits
    const inContact = state.waiting.size + state.sent.size
    if (inContact >= requestContactCountMax || state.bytes + body.length > requestContactBytesMax)
      throw full('contact', requestContactBytesMax - state.bytes)
    if (this.#count >= requestAllCountMax || this.#bytes + body.length > requestAllBytesMax)
      throw full('all', requestAllBytesMax - this.#bytes)
  }

  #waitForSession(contact: string, state: AskedContact): void {
    state.offline ??= this.#deps.clock.timer(this.#deps.limits.sendDialWaitMs, () => {
      state.offline = undefined
      this.unreachable(contact, 'PEER_OFFLINE', `${this.#nameOf(contact)} is not reachable`)
    })
    this.#deps.dial(contact)
  }

  #describeLate(asked: Asked): string {
    if (asked.sentOn !== undefined) return `${this.#nameOf(asked.contact)} did not answer ${asked.name} in time`
    return `${this.#nameOf(asked.contact)} took no request in time`
  }

  #fail(asked: Asked, code: ErrorCode, message: string): void {
    const executed: Executed = asked.sentOn === undefined ? 'no' : 'unknown'
    this.#remove(asked)
    asked.reject(requestError(code, message, executed))
  }

  #remove(asked: Asked): void {
    const { contact, callId, body } = asked
    const state = this.#contacts.get(contact)
    const key = idText(asked.id)
    if (state === undefined || !(state.waiting.delete(key) || state.sent.delete(key)))
      throw new Error('a request that is over ended again')
    asked.release()
    if (callId !== undefined) this.#byCallId.delete(callId)
    state.bytes -= body.length
    this.#count--
    this.#bytes -= body.length
    this.#forgetIdle(contact, state)
  }

  #stateOf(contact: string): AskedContact {
    let state = this.#contacts.get(contact)
    if (state === undefined) {
      state = { waiting: new Map(), sent: new Map(), bytes: 0, outlet: undefined, offline: undefined }
      this.#contacts.set(contact, state)
    }
    return state
  }

  #forgetIdle(contact: string, state: AskedContact): void {
    if (state.waiting.size > 0) return
    state.offline?.cancel()
    state.offline = undefined
    if (state.sent.size === 0 && state.outlet === undefined) this.#contacts.delete(contact)
  }

  #nameOf(contact: string): string {
    return this.#deps.peer(contact)?.name ?? 'the peer'
  }
}

function full(scope: 'contact' | 'all', freeBytes: number): DaemonError {
  const data = { scope, freeBytes: Math.max(0, freeBytes) }
  return requestError('QUEUE_FULL', 'too many requests are in flight', 'no', data)
}
