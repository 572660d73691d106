import type { AcceptedSend, IdRange, MessageStates, QueueInfo } from '@parley/client-sdk/contract'

/** Who sends, so that the same call is accepted once. */
export type SendKey =
  | { readonly client: string; readonly number: number; readonly answeredThrough: number }
  | { readonly owner: string; readonly idempotencyKey: string }

export interface AcceptRequest {
  readonly contact: string
  /** Of the contact's Themis key now: what is accepted for this key goes to no other that does not follow it. */
  readonly fingerprint: Uint8Array
  readonly channel: string
  /** One or more; the outbox's from here on. */
  readonly bodies: readonly Uint8Array[]
  readonly ttlMs: number
  readonly key: SendKey | undefined
}

export interface Accepted {
  readonly ids: readonly IdRange[]
  /** Unix milliseconds, by the clock now. */
  readonly expiresAt: number
}

/** The outbox as the socket's methods and the status see it. Every failure is a `DaemonError`. */
export interface OutboxApi {
  /**
   * Resolves when the run is on disk, whole. What is refused at once is thrown on the caller's stack, so that a later send of the same lane is
   * refused with it.
   *
   * @throws {DaemonError} `QUEUE_FULL` with `scope` and `freeBytes`, `CHANNEL_LIMIT`, `STORE_UNAVAILABLE` with `accepted` (`no` or `unknown`), `IDEMPOTENCY_CONFLICT`,
   * `SHUTTING_DOWN`
   */
  accept(request: AcceptRequest): Promise<Accepted>
  /** What was accepted of a client's numbered sends beyond those it called answered. Waits for those under way. */
  acceptedOf(client: string): Promise<readonly AcceptedSend[]>
  /** @throws {DaemonError} `NO_SUCH_MESSAGE` */
  get(id: string, count: number): MessageStates
  /** All or nothing; resolves when that is on disk. @throws {DaemonError} `NO_SUCH_MESSAGE` `ALREADY_SENT` `STORE_UNAVAILABLE` */
  cancel(id: string, count: number): Promise<void>
  queue(contact?: string): QueueInfo
}
