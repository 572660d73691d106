import type { Metrics } from '../../observe/metrics.ts'
import { PeerFault } from '../../peer/fault.ts'
import type { Credit, RequestAttachment, RequestEnvelope, Requesting, RequestSession } from '../port.ts'
import { Answering } from './answering.ts'
import type { RequestsApi, RequestsDeps, RequestToSend, ServeRequest, Serving } from './api.ts'
import { Asking } from './asking.ts'
import { Outlet } from './outlet.ts'
import { REQUEST_ID_BYTES } from './wire.ts'

/**
 * Requests between apps of two hosts: never kept, at most once, each with a deadline.
 *
 * Plain code on the stack of its callers; what a peer breaks is a `PeerFault` of its session.
 */
export class Requests implements Requesting, RequestsApi {
  readonly #deps: RequestsDeps
  readonly #asking: Asking
  readonly #answering: Answering

  constructor(deps: RequestsDeps) {
    this.#deps = deps
    this.#asking = new Asking(deps)
    this.#answering = new Answering(deps)
  }

  // Apps

  async send(request: RequestToSend, signal: AbortSignal): Promise<Uint8Array> {
    return this.#asking.send(request, signal)
  }

  cancel(id: string): void {
    this.#asking.cancel(id)
  }

  serve(request: ServeRequest): Serving {
    return this.#answering.serve(request)
  }

  // Sessions

  attach(contact: string, session: RequestSession): RequestAttachment {
    const outlet = new Outlet(session)
    this.#asking.attach(contact, outlet)
    this.#answering.attach(contact, outlet)
    session.wake()
    return {
      take: (bytesMax, mayExceed) =>
        this.#answering.take(contact, outlet, bytesMax, mayExceed) ??
        this.#asking.take(contact, outlet, bytesMax, mayExceed),
      credit: (credit: Credit) => {
        outlet.granted(credit)
        session.wake()
      },
      detach: () => {
        outlet.isDetached = true
        this.#asking.detach(contact, outlet)
        this.#answering.detach(contact, outlet)
      }
    }
  }

  received(contact: string, envelope: RequestEnvelope): void {
    if ('request' in envelope) {
      this.#answering.request(contact, envelope.request)
    } else if ('response' in envelope) {
      const { id, body } = envelope.response
      assertId(id)
      if (body.length > this.#deps.limits.messageBytesMax)
        throw new PeerFault('PROTOCOL_VIOLATION', 'an answer over the size limit')
      this.#asking.answered(contact, id, body)
    } else {
      const { request, code, text } = envelope.reject
      assertId(request)
      this.#asking.rejected(contact, request, code, text)
    }
  }

  lost(contact: string): void {
    this.#asking.lost(contact)
  }

  unreachable(contact: string, code: 'PEER_OFFLINE' | 'NOT_ACCEPTED' | 'NOT_SUPPORTED', message: string): void {
    this.#asking.unreachable(contact, code, message)
  }

  // The node

  /** The contact was removed: nothing of it is kept. */
  forgetContact(contact: string): void {
    this.#asking.forget(contact)
    this.#answering.forget(contact)
  }

  register(metrics: Metrics): void {
    metrics.gauge('requests_asked', 'Requests of apps that wait for an answer.', () => this.#asking.count)
    metrics.gauge('requests_in_hand', 'Requests of contacts that are not answered.', () => this.#answering.count)
  }

  /** Fails what waits for an answer, and ends those who serve, with `SHUTTING_DOWN`. */
  stop(): void {
    this.#asking.stop()
    this.#answering.stop('SHUTTING_DOWN')
  }
}

function assertId(id: Uint8Array): void {
  if (id.length !== REQUEST_ID_BYTES) throw new PeerFault('PROTOCOL_VIOLATION', 'a request ID that is not 16 bytes')
}
