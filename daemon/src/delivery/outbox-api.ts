import type { AcceptedSend, IdRange, MessageStateRange, MessageStates, QueueInfo } from '@parley/client-sdk/contract'

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

/** What is known of one message: what `node.why` makes words of. */
export interface MessageFacts extends Omit<MessageStateRange, 'first' | 'count'> {
  readonly contact: string
  readonly channel: string
  /** Unix milliseconds, of one that waits. */
  readonly acceptedAt?: number
  readonly expiresAt?: number
  /**
   * What one that is `accepted` waits for: a session that takes it; credit of the peer; its turn; the store, which is lost; the hour in which too many
   * epochs began; the owner, as it was accepted for another key of the contact.
   */
  readonly waitsFor?: 'session' | 'credit' | 'turn' | 'store' | 'epochs' | 'key'
}

/** Messages that were accepted for keys which the contact has no more, and that no key followed. */
export interface HeldMessages {
  readonly messages: number
  readonly fingerprints: readonly Uint8Array[]
}

/** The outbox as the socket's methods and the status see it. Every failure is a `DaemonError`. */
export interface OutboxApi {
  /**
   * Resolves when the run is on disk, whole. What is refused at once is thrown on the caller's stack, so that a later send of the same lane is
   * refused with it.
   *
   * @throws {DaemonError} `QUEUE_FULL` with `scope` and `freeBytes`, `TOO_LARGE` for a run that could never fit, `CHANNEL_LIMIT`, `STORE_UNAVAILABLE` with `accepted` (`no`
   * or `unknown`), `IDEMPOTENCY_CONFLICT`, `SHUTTING_DOWN`
   */
  accept(request: AcceptRequest): Promise<Accepted>
  /** What was accepted of a client's numbered sends beyond those it called answered. Waits for those under way. */
  acceptedOf(client: string): Promise<readonly AcceptedSend[]>
  /** @throws {DaemonError} `NO_SUCH_MESSAGE` */
  get(id: string, count: number): MessageStates
  /** All or nothing; resolves when that is on disk. @throws {DaemonError} `NO_SUCH_MESSAGE` `ALREADY_SENT` `STORE_UNAVAILABLE` */
  cancel(id: string, count: number): Promise<void>
  queue(contact?: string): QueueInfo
  /** What waits for the owner. */
  held(contact: string): HeldMessages
  /** Takes that back; what may be there already expires, `reached: 'maybe'`. Resolves when that is on disk. @throws {DaemonError} `STORE_UNAVAILABLE` */
  cancelHeld(contact: string): Promise<void>
  /** @throws {DaemonError} `NO_SUCH_MESSAGE` */
  describe(id: string): MessageFacts
}
