import type { RunOptions } from './lane.ts'

export interface SendOptions {
  /** The daemon's default channel unless given. */
  readonly channel?: string | undefined
  /** True unless said: the daemon keeps the message until the peer's daemon has it. False: at most once, to a peer that is there now. */
  readonly durable?: boolean | undefined
  /** Of a durable message: how long it may wait until the peer's daemon has it. The daemon's default, 7 days unless set otherwise, unless given. */
  readonly ttlMs?: number | undefined
  /**
   * What a durable send does while the daemon cannot take it, as too much waits for that peer (`QUEUE_FULL`), or its disk is full (`STORE_UNAVAILABLE`): it waits,
   * and those behind it to the same peer and channel with it, unless this says `'fail'`.
   */
  readonly whenFull?: 'wait' | 'fail' | undefined
  /**
   * How long the send may take in all, the wait for an absent daemon included. Without it a send waits for the daemon without limit, and, where it is not
   * durable, then as long as the daemon waits for the peer by itself.
   */
  readonly timeoutMs?: number | undefined
  /** What is aborted after it was written may still arrive. */
  readonly signal?: AbortSignal | undefined
}

/** What all messages of one call must have in common. */
export function runOptions({ durable, timeoutMs, ttlMs, whenFull = 'wait' }: SendOptions): RunOptions {
  return { durable, timeoutMs, ttlMs, whenFull }
}
