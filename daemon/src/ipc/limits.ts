import type { Limits } from '@parley/client-sdk/contract'

/** Bounds of the socket that the configuration sets. Those of the contract are told in `node.hello`. */
export interface IpcLimits extends Omit<Limits, 'channelBytesMax'> {
  /** How long a send waits for the peer's app unless the caller says. */
  readonly sendTimeoutMs: number
  /** How long `stop` waits for the calls in hand. */
  readonly shutdownTimeoutMs: number
}

/** Subscriptions that one connection may have at a time: every message is offered to each of them. */
export const SUBSCRIPTION_COUNT_MAX = 256
/** How long an app may take to say hello. */
export const HELLO_TIMEOUT_MS = 10_000
/** What is pushed waits while this much is on its way to an app: more than a socket holds, less than one app may cost. */
export const PUSH_BUFFERED_BYTES_MAX = 1024 * 1024
/** The longest that a fetch may wait: an app that wants more asks again. */
export const FETCH_WAIT_MS_MAX = 60_000
/** Calls are refused while this much waits to be read by the app that calls. */
export const BUFFERED_BYTES_BUSY = 4 * 1024 * 1024
/** An app that calls and does not read is hung up on. */
export const BUFFERED_BYTES_MAX = 16 * 1024 * 1024
/** Calls by POST that may be in hand at a time. */
export const POST_COUNT_MAX = 1024
