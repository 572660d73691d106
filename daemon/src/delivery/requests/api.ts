import type { ErrorCode } from '@parley/client-sdk/contract'
import type { Config } from '@parley/config'
import type { Clock } from '../../actor/clock.ts'
import type { RandomBytes } from '../../random.ts'

export type RequestLimits = Pick<
  Config['limits'],
  | 'messageBytesMax'
  | 'sendDialWaitMs'
  | 'requestAnswerMsMax'
  | 'requestContactCountMax'
  | 'requestContactBytesMax'
  | 'requestAllCountMax'
  | 'requestAllBytesMax'
  | 'answerContactBytesMax'
  | 'answerAllBytesMax'
>

export interface RequestsDeps {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly limits: RequestLimits
  /** Who a contact is now; undefined once it is removed. */
  peer(contact: string): { readonly id: string; readonly name: string } | undefined
  /** Has the contact dialled, unless it is in session or at it. When that comes to nothing, `unreachable` is called. */
  dial(contact: string): void
}

/** A request of an app of this host. */
export interface RequestToSend {
  readonly contact: string
  /** 1 to 64 bytes without control characters. */
  readonly name: string
  /** At most `messageBytesMax`; not to be changed from here on. */
  readonly body: Uint8Array
  readonly timeoutMs: number
  /** By which it can be cancelled; no two in flight have the same. */
  readonly id?: string | undefined
}

/** A request of a contact, as the app that serves its name is given it. */
export interface GivenRequest {
  /** For `respond`. */
  readonly request: string
  readonly contact: string
  readonly from: string
  readonly fromName: string
  readonly name: string
  readonly body: Uint8Array
  readonly timeLeftMs: number
}

export interface Refusal {
  readonly code?: string | undefined
  readonly text: string
}

export type Answer = { readonly body: Uint8Array } | { readonly error: Refusal }

export interface ServeRequest {
  readonly name: string
  readonly takeover: boolean
  /** Who serves, as another that finds the name taken is told. */
  readonly by: string
  /** Takes a request, and says whether more are wanted now; if not, `resume` asks for them. */
  take(request: GivenRequest): boolean
  /** No more come. Not called after `close`. */
  ended(code: ErrorCode): void
}

/** An app that serves a name. */
export interface Serving {
  /** Gives what waits. Nothing is given before the first call, so that the subscription's name can be told before. */
  resume(): void
  /** @throws {DaemonError} `NO_SUCH_REQUEST` (its time is over, perhaps) `TOO_LARGE` `QUEUE_FULL` with `scope` and `freeBytes` */
  respond(request: string, answer: Answer): void
  /** Ends it without a word. Whoever waits for an answer is told. */
  close(): void
}

/** Requests, as the socket's methods see them. */
export interface RequestsApi {
  /**
   * Resolves with the answer. When `signal` aborts nobody hears of the outcome any more.
   *
   * @throws {DaemonError} each with `executed` (`no` or `unknown`): `PEER_OFFLINE` `NOT_ACCEPTED` `NOT_SUPPORTED` `NO_RESPONDER` `DEADLINE` `RESPONDER_GONE`
   * `REQUEST_REFUSED` `QUEUE_FULL` `TOO_LARGE` `STOPPED` `SHUTTING_DOWN`; `INVALID_PARAMS` for an ID that is in use
   */
  send(request: RequestToSend, signal: AbortSignal): Promise<Uint8Array>
  /** Fails a request with `STOPPED`. @throws {DaemonError} `NO_SUCH_REQUEST` */
  cancel(id: string): void
  /** @throws {DaemonError} `RESPONDER_BUSY` with `by` */
  serve(request: ServeRequest): Serving
}
