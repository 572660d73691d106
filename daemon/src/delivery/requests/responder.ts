import type { ErrorCode } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import type { Answer, GivenRequest, ServeRequest, Serving } from './api.ts'

/** Given to one app for one name and not answered; more wait. */
const IN_HAND_COUNT_MAX = 256

/** A request of a contact, from its arrival until its answer is written. */
export interface Incoming {
  readonly contact: string
  readonly key: string
  readonly id: Uint8Array
  readonly name: string
  readonly bodyBytes: number
  /** Undefined once it was given. */
  body: Uint8Array | undefined
  /** What the app calls it; undefined before it was given. */
  handle: string | undefined
  responder: Responder | undefined
}

/** What a responder needs of what is behind it. */
export interface ResponderOwner {
  /** The request as it is given, or undefined where its contact is gone. */
  describe(incoming: Incoming, handle: string): GivenRequest | undefined
  /** @throws {DaemonError} when the answer cannot be kept now */
  answer(incoming: Incoming, answer: Answer): void
  /** The app is gone. `isGiven`: it had the request. */
  abandoned(incoming: Incoming, isGiven: boolean): void
  over(responder: Responder): void
}

/** The app that serves one name: what waits for it, and what it has in hand. */
export class Responder implements Serving {
  readonly name: string
  readonly by: string
  readonly #request: ServeRequest
  readonly #owner: ResponderOwner
  readonly #waiting = new Set<Incoming>()
  readonly #given = new Map<string, Incoming>()
  #lastHandle = 0
  #isWanted = false
  #isOver = false

  constructor(request: ServeRequest, owner: ResponderOwner) {
    this.name = request.name
    this.by = request.by
    this.#request = request
    this.#owner = owner
  }

  add(incoming: Incoming): void {
    incoming.responder = this
    this.#waiting.add(incoming)
    this.#give()
  }

  /** The request is over: answered, or its time is. */
  remove(incoming: Incoming): void {
    this.#waiting.delete(incoming)
    if (incoming.handle !== undefined) this.#given.delete(incoming.handle)
    incoming.responder = undefined
    this.#give()
  }

  resume(): void {
    this.#isWanted = true
    this.#give()
  }

  respond(request: string, answer: Answer): void {
    const incoming = this.#given.get(request)
    if (incoming === undefined)
      throw new DaemonError('NO_SUCH_REQUEST', `there is no request ${request}, or it is over`)
    this.#owner.answer(incoming, answer)
  }

  close(): void {
    if (this.#isOver) return
    this.#end()
    this.#owner.over(this)
    for (const incoming of this.#waiting) this.#owner.abandoned(incoming, false)
    this.#waiting.clear()
  }

  /** Ends it with a word. Returns what it was never given. */
  takeOver(code: ErrorCode): Incoming[] {
    this.#end()
    this.#request.ended(code)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    return waiting
  }

  #end(): void {
    this.#isOver = true
    this.#isWanted = false
    const given = [...this.#given.values()]
    this.#given.clear()
    for (const incoming of given) this.#owner.abandoned(incoming, true)
  }

  #give(): void {
    for (const incoming of this.#waiting) {
      if (!this.#isWanted || this.#isOver || this.#given.size >= IN_HAND_COUNT_MAX) return
      this.#waiting.delete(incoming)
      const handle = `r${++this.#lastHandle}`
      const given = this.#owner.describe(incoming, handle)
      if (given === undefined) continue
      incoming.handle = handle
      incoming.body = undefined
      this.#given.set(handle, incoming)
      this.#isWanted = this.#request.take(given)
    }
  }
}
