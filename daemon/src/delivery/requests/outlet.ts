import { PeerFault } from '../../peer/fault.ts'
import type { Credit, RequestSession } from '../port.ts'

/** The session that requests to a contact go out on, and how far credit goes there, both ways. Totals since it was attached. */
export class Outlet {
  readonly session: RequestSession
  isDetached = false
  sentCount = 0
  sentBytes = 0
  receivedCount = 0
  receivedBytes = 0
  #grantedCount = 0
  #grantedBytes = 0
  #givenCount = 0
  #givenBytes = 0

  constructor(session: RequestSession) {
    this.session = session
  }

  /** Takes the peer's credit. @throws {PeerFault} `PROTOCOL_VIOLATION` */
  granted({ messages, bytes }: Credit): void {
    if (!Number.isSafeInteger(messages) || !Number.isSafeInteger(bytes))
      throw new PeerFault('PROTOCOL_VIOLATION', 'credit beyond all numbers')
    if (messages < this.#grantedCount || bytes < this.#grantedBytes)
      throw new PeerFault('PROTOCOL_VIOLATION', 'credit that falls')
    this.#grantedCount = messages
    this.#grantedBytes = bytes
  }

  mayAsk(bodyBytes: number): boolean {
    return this.sentCount < this.#grantedCount && this.sentBytes + bodyBytes <= this.#grantedBytes
  }

  /** Of what the peer was granted, what it has not used. */
  get unused(): { readonly count: number; readonly bytes: number } {
    return {
      count: Math.max(0, this.#givenCount - this.receivedCount),
      bytes: Math.max(0, this.#givenBytes - this.receivedBytes)
    }
  }

  give(count: number, bytes: number): void {
    this.#givenCount += Math.max(0, count)
    this.#givenBytes += Math.max(0, bytes)
    this.session.credit({ lane: 0, messages: this.#givenCount, bytes: this.#givenBytes })
  }
}
