import type { Point } from '../soter/edwards25519.ts'

/** The initiator speaks first. */
export type ComparatorRole = 'initiator' | 'responder'

/** What a side knows about the secrets. `no-match` may stand before the last message has passed; `match` is the end. */
export type ComparatorResult = 'pending' | 'match' | 'no-match'

/**
 * A Secure Comparator by what it waits for. Initiator: empty, collecting, awaiting-message-2, awaiting-message-4,
 * compared. Responder: empty, collecting, awaiting-message-3, compared.
 *
 * Plain data: byte strings, numbers in typed arrays, booleans. It can be cloned to a worker; whoever does so gives up the
 * old one, for a state is good for one step. As in Themis a bad proof is not a state of its own: it is remembered in
 * `hasFailed`, and the exchange goes on. Names as in the paper: initiator a2, a3, r, responder b2, b3, s.
 */
export type ComparatorState =
  /** No secret yet. */
  | { readonly tag: 'empty' }
  /** Pieces of the secret, joined. */
  | { readonly tag: 'collecting'; readonly pieces: Uint8Array }
  | {
      readonly tag: 'awaiting-message-2'
      /** x: the own secret, hashed and clamped. */
      readonly secret: Uint8Array
      readonly a2: Uint8Array
      readonly a3: Uint8Array
    }
  | {
      readonly tag: 'awaiting-message-3'
      readonly b3: Uint8Array
      /** b2·G2a. */
      readonly g2: Point
      /** b3·G3a. */
      readonly g3: Point
      readonly G3a: Point
      readonly Pb: Point
      readonly Qb: Point
      readonly hasFailed: boolean
    }
  | {
      readonly tag: 'awaiting-message-4'
      readonly a3: Uint8Array
      readonly G3b: Point
      /** Qa - Qb. */
      readonly Qab: Point
      /** Pa - Pb. */
      readonly Pab: Point
      readonly hasFailed: boolean
    }
  | { readonly tag: 'compared'; readonly result: 'match' | 'no-match'; readonly hasFailed: boolean }
  /** Its owner has wiped it. */
  | { readonly tag: 'closed' }

/** Something that happened. */
export type ComparatorInput =
  /** The owner gave a part of the secret. */
  | { readonly type: 'append'; readonly piece: Uint8Array }
  /** The owner wants message 1. */
  | { readonly type: 'begin' }
  /** One whole message came from the peer. */
  | { readonly type: 'peer-bytes'; readonly bytes: Uint8Array }

export interface ComparatorStep {
  readonly state: ComparatorState
  /** To be sent, as one message. */
  readonly reply: Uint8Array | undefined
}

/** What is known in a state. */
export function resultOf(state: ComparatorState): ComparatorResult {
  if (state.tag === 'compared') return state.result
  return 'hasFailed' in state && state.hasFailed ? 'no-match' : 'pending'
}

/** Overwrites every buffer of a state that the next state does not hold as well. */
export function wipeLeftState(left: ComparatorState, next: ComparatorState): void {
  const kept = new Set(buffersOf(next))
  for (const buffer of buffersOf(left)) if (!kept.has(buffer)) buffer.fill(0)
}

function buffersOf(value: unknown): (Uint8Array | Float64Array)[] {
  if (value instanceof Uint8Array || value instanceof Float64Array) return [value]
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(buffersOf) : []
}
