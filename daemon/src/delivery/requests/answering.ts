import type { ErrorCode } from '@parley/client-sdk/contract'
import type { Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { PeerFault } from '../../peer/fault.ts'
import { isChannel } from '../../peer/incoming.ts'
import type { RequestEnvelope } from '../port.ts'
import type { Answer, GivenRequest, RequestsDeps, ServeRequest, Serving } from './api.ts'
import type { Outlet } from './outlet.ts'
import { type Incoming, Responder, type ResponderOwner } from './responder.ts'
import { compact, encodeRefusal, idText, REQUEST_ID_BYTES, type RejectCode } from './wire.ts'

type ReceivedRequest = Extract<RequestEnvelope, { request: { name: string } }>['request']
type AnswerEnvelope = Exclude<RequestEnvelope, { request: { name: string } }>

/** IDs of requests that are over are kept for so many of a contact, so that none is executed twice. */
const SEEN_COUNT_MAX = 1_024
/** What has come back of a contact's credit is granted anew when it is this share of all. */
const GRANT_SHARE = 4

/** A request in hand: with an app, or with an answer that waits to be written. */
interface InHand extends Incoming {
  readonly deadlineMs: number
  readonly timer: Timer
  answer: AnswerEnvelope | undefined
}

interface AskingContact {
  readonly inHand: Map<string, InHand>
  /** In the order in which they are written. */
  readonly answers: Set<InHand>
  readonly seen: Set<string>
  bodyBytes: number
  answerBytes: number
  outlet: Outlet | undefined
}

/** The requests that contacts make, and the apps of this host that answer them. */
export class Answering implements ResponderOwner {
  readonly #deps: RequestsDeps
  readonly #responders = new Map<string, Responder>()
  readonly #contacts = new Map<string, AskingContact>()
  #count = 0
  #bodyBytes = 0
  #answerBytes = 0

  constructor(deps: RequestsDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#count
  }

  // Apps

  serve(request: ServeRequest): Serving {
    const before = this.#responders.get(request.name)
    if (before !== undefined && !request.takeover) {
      const data = { by: before.by }
      throw new DaemonError('RESPONDER_BUSY', `${before.by} answers requests of that name`, { data })
    }
    const responder = new Responder(request, this)
    this.#responders.set(request.name, responder)
    for (const incoming of before?.takeOver('TAKEN_OVER') ?? []) responder.add(incoming)
    return responder
  }

  stop(code: ErrorCode): void {
    for (const responder of [...this.#responders.values()]) {
      this.#responders.delete(responder.name)
      for (const incoming of responder.takeOver(code)) this.abandoned(incoming, false)
    }
  }

  describe(incoming: Incoming, handle: string): GivenRequest | undefined {
    const { contact, name, body } = incoming
    const peer = this.#deps.peer(contact)
    const { deadlineMs } = incoming as InHand
    const timeLeftMs = Math.max(0, Math.floor(deadlineMs - this.#deps.clock.monotonicMs()))
    if (peer === undefined || body === undefined) return undefined
    return { request: handle, contact, from: peer.id, fromName: peer.name, name, body, timeLeftMs }
  }

  answer(incoming: Incoming, answer: Answer): void {
    const { id } = incoming
    if ('error' in answer) this.#queue(incoming as InHand, { reject: { request: id, ...encodeRefusal(answer.error) } })
    else {
      this.#assertRoom(incoming.contact, answer.body)
      this.#queue(incoming as InHand, { response: { id, body: answer.body } })
    }
  }

  abandoned(incoming: Incoming, isGiven: boolean): void {
    this.#refuse(
      incoming as InHand,
      isGiven ? 'RESPONDER_GONE' : 'NO_RESPONDER',
      'no program answers requests of that name'
    )
  }

  over(responder: Responder): void {
    if (this.#responders.get(responder.name) === responder) this.#responders.delete(responder.name)
  }

  // Contacts

  attach(contact: string, outlet: Outlet): void {
    const state = this.#stateOf(contact)
    state.outlet = outlet
    this.#grant(state, 1)
  }

  detach(contact: string, outlet: Outlet): void {
    const state = this.#contacts.get(contact)
    if (state?.outlet !== outlet) return
    state.outlet = undefined
    this.#forgetIdle(contact, state)
  }

  /** Takes a request of a contact. @throws {PeerFault} `PROTOCOL_VIOLATION` `CREDIT_EXCEEDED` */
  request(contact: string, request: ReceivedRequest): void {
    const { id, name, body } = request
    this.#assertSound(request)
    const state = this.#stateOf(contact)
    this.#account(state, body.length)
    const key = idText(id)
    if (state.inHand.has(key) || state.seen.has(key) || request.timeLeftMs === 0) {
      this.#grant(state, GRANT_SHARE)
      this.#forgetIdle(contact, state)
      return
    }
    remember(state.seen, key)
    const timeLeftMs = Math.min(request.timeLeftMs, this.#deps.limits.requestAnswerMsMax)
    const incoming: InHand = {
      ...{ contact, key, id: id.slice(), name, bodyBytes: body.length },
      body: compact(body),
      handle: undefined,
      responder: undefined,
      answer: undefined,
      deadlineMs: this.#deps.clock.monotonicMs() + timeLeftMs,
      timer: this.#deps.clock.timer(timeLeftMs, () => this.#drop(incoming))
    }
    state.inHand.set(key, incoming)
    state.bodyBytes += body.length
    this.#count++
    this.#bodyBytes += body.length
    this.#dispatch(incoming)
  }

  /** The next answer to write. It costs no credit. */
  take(contact: string, outlet: Outlet, bytesMax: number, mayExceed: boolean) {
    const state = this.#contacts.get(contact)
    for (const incoming of state?.answers ?? []) {
      const { answer, id } = incoming
      if (answer === undefined) throw new Error('an answer that is none')
      const bytes = 'response' in answer ? answer.response.body.length : 0
      if (bytes > outlet.session.messageBytesMax) {
        this.#drop(incoming)
        const reject = { request: id, ...encodeRefusal({ text: 'the answer is larger than this side takes' }) }
        return { envelope: { reject }, bytes: 0 }
      }
      if (bytes > bytesMax && !mayExceed) return undefined
      this.#drop(incoming)
      return { envelope: answer, bytes }
    }
    return undefined
  }

  forget(contact: string): void {
    const state = this.#contacts.get(contact)
    for (const incoming of [...(state?.inHand.values() ?? [])]) this.#drop(incoming)
    this.#contacts.delete(contact)
  }

  #dispatch(incoming: InHand): void {
    const { requestAllCountMax, requestAllBytesMax } = this.#deps.limits
    const responder = this.#responders.get(incoming.name)
    if (responder === undefined) this.#refuse(incoming, 'NO_RESPONDER', 'no program answers requests of that name')
    else if (this.#count > requestAllCountMax || this.#bodyBytes > requestAllBytesMax)
      this.#refuse(incoming, 'BUSY', 'too many requests are in hand')
    else responder.add(incoming)
  }

  #assertSound({ id, name, body, timeLeftMs }: ReceivedRequest): void {
    if (id.length !== REQUEST_ID_BYTES) throw new PeerFault('PROTOCOL_VIOLATION', 'a request ID that is not 16 bytes')
    if (!isChannel(name)) throw new PeerFault('PROTOCOL_VIOLATION', 'a request name against the rules')
    if (!Number.isSafeInteger(timeLeftMs)) throw new PeerFault('PROTOCOL_VIOLATION', 'a time beyond all numbers')
    if (body.length > this.#deps.limits.messageBytesMax)
      throw new PeerFault('PROTOCOL_VIOLATION', 'a request over the size limit')
  }

  /** While one session follows another there may be the credit of both in flight, and no more. */
  #account(state: AskingContact, bodyBytes: number): void {
    const { requestContactCountMax, requestContactBytesMax } = this.#deps.limits
    if (state.inHand.size >= 2 * requestContactCountMax || state.bodyBytes + bodyBytes > 2 * requestContactBytesMax)
      throw new PeerFault('CREDIT_EXCEEDED', 'more requests than were granted')
    const { outlet } = state
    if (outlet === undefined) return
    outlet.receivedCount++
    outlet.receivedBytes += bodyBytes
  }

  #assertRoom(contact: string, { length }: Uint8Array): void {
    const { messageBytesMax, answerContactBytesMax, answerAllBytesMax } = this.#deps.limits
    const state = this.#stateOf(contact)
    const bytesMax = Math.min(messageBytesMax, state.outlet?.session.messageBytesMax ?? messageBytesMax)
    if (length > bytesMax)
      throw new DaemonError('TOO_LARGE', `an answer to this peer has at most ${bytesMax} bytes`, { data: { bytesMax } })
    if (state.answerBytes + length > answerContactBytesMax)
      throw full('contact', answerContactBytesMax - state.answerBytes)
    if (this.#answerBytes + length > answerAllBytesMax) throw full('all', answerAllBytesMax - this.#answerBytes)
  }

  #refuse(incoming: InHand, code: RejectCode, text: string): void {
    this.#queue(incoming, { reject: { request: incoming.id, code, text } })
  }

  #queue(incoming: InHand, answer: AnswerEnvelope): void {
    const state = this.#stateOf(incoming.contact)
    incoming.answer = answer
    this.#releaseBody(state, incoming)
    const bytes = 'response' in answer ? answer.response.body.length : 0
    state.answers.add(incoming)
    state.answerBytes += bytes
    this.#answerBytes += bytes
    incoming.responder?.remove(incoming)
    state.outlet?.session.wake()
  }

  /** The body is with the app, or nowhere: it counts no more. */
  #releaseBody(state: AskingContact, incoming: InHand): void {
    incoming.body = undefined
    state.bodyBytes -= incoming.bodyBytes
    this.#bodyBytes -= incoming.bodyBytes
  }

  /** Forgets a request: its answer was written, or is of no use any more. */
  #drop(incoming: InHand): void {
    const { contact, key, answer } = incoming
    const state = this.#contacts.get(contact)
    if (state === undefined || !state.inHand.delete(key)) throw new Error('a request that is over ended again')
    incoming.timer.cancel()
    this.#count--
    if (answer === undefined) this.#releaseBody(state, incoming)
    else {
      const bytes = 'response' in answer ? answer.response.body.length : 0
      state.answers.delete(incoming)
      state.answerBytes -= bytes
      this.#answerBytes -= bytes
    }
    incoming.responder?.remove(incoming)
    this.#grant(state, GRANT_SHARE)
    this.#forgetIdle(contact, state)
  }

  /** Grants what is free, once it is the `share`-th part of all. */
  #grant(state: AskingContact, share: number): void {
    if (state.outlet === undefined) return
    const { requestContactCountMax, requestContactBytesMax } = this.#deps.limits
    const unused = state.outlet.unused
    const count = requestContactCountMax - state.inHand.size - unused.count
    const bytes = requestContactBytesMax - state.bodyBytes - unused.bytes
    const isFirst = share === 1
    if (isFirst || count * share >= requestContactCountMax || bytes * share >= requestContactBytesMax)
      state.outlet.give(count, bytes)
  }

  #stateOf(contact: string): AskingContact {
    let state = this.#contacts.get(contact)
    if (state === undefined) {
      state = {
        ...{ inHand: new Map(), answers: new Set(), seen: new Set() },
        ...{ bodyBytes: 0, answerBytes: 0, outlet: undefined }
      }
      this.#contacts.set(contact, state)
    }
    return state
  }

  #forgetIdle(contact: string, state: AskingContact): void {
    if (state.outlet === undefined && state.inHand.size === 0) this.#contacts.delete(contact)
  }
}

function remember(seen: Set<string>, key: string): void {
  seen.add(key)
  if (seen.size <= SEEN_COUNT_MAX) return
  const [oldest] = seen
  if (oldest !== undefined) seen.delete(oldest)
}

function full(scope: 'contact' | 'all', freeBytes: number): DaemonError {
  const data = { scope, freeBytes: Math.max(0, freeBytes) }
  return new DaemonError('QUEUE_FULL', 'too many answers wait to be sent', { data })
}
