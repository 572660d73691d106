import { ProtocolError } from '../errors.ts'

export const RECEIVE_POLICIES = ['themis', 'ordered'] as const

/**
 * Which genuine data messages are taken.
 *
 * - `themis`: as Themis does. The sequence number is within 8 of the last accepted one, the time within a day.
 *   Replays inside the window pass, and a direction whose numbers come near 2^32 is dead.
 * - `ordered`: for transports that keep order. Exactly the next number modulo 2^32; the time is reported and
 *   not judged. Nothing can be lost, repeated or reordered unnoticed.
 */
export type ReceivePolicy = (typeof RECEIVE_POLICIES)[number]

/** How far from the last accepted number policy `themis` looks, each way. */
export const SEQUENCE_WINDOW = 8
/** How far from now policy `themis` accepts, each way, in seconds. */
export const TIME_WINDOW_SECONDS = 86_400

/**
 * Judges by policy `themis`. The bounds wrap as the unsigned 32-bit arithmetic of C does, so that both sides of a
 * connection agree on what is refused.
 *
 * @param last - number of the last accepted message; at first the derived one
 * @throws {ProtocolError} `SEQUENCE_OUT_OF_RANGE`, `TIME_OUT_OF_RANGE`
 * @see Themis src/themis/secure_session_message.c, secure_session_unwrap
 */
export function assertInWindow(last: number, sequence: number, sentAtSeconds: number, nowSeconds: number): void {
  const lowest = (last - SEQUENCE_WINDOW) >>> 0
  const highest = (last + SEQUENCE_WINDOW) >>> 0
  if (sequence < lowest || sequence > highest) {
    throw new ProtocolError('SEQUENCE_OUT_OF_RANGE', 'sequence number outside the window')
  }
  if (Math.abs(sentAtSeconds - nowSeconds) > TIME_WINDOW_SECONDS) {
    throw new ProtocolError('TIME_OUT_OF_RANGE', 'time of a message more than a day from now')
  }
}

/**
 * Judges by policy `ordered`.
 *
 * @throws {ProtocolError} `SEQUENCE_OUT_OF_RANGE`
 */
export function assertNext(expected: number, sequence: number): void {
  if (sequence !== expected) throw new ProtocolError('SEQUENCE_OUT_OF_RANGE', 'not the next sequence number')
}
