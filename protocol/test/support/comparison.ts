import type { RandomBytes } from '../../src/bytes.ts'
import type { ComparatorInput, ComparatorState, ComparatorStep } from '../../src/secure-comparator/state.ts'
import { type StepDeps, step } from '../../src/secure-comparator/step.ts'
import { seededBytes } from './random.ts'

export function comparatorDeps(randomBytes: RandomBytes): StepDeps {
  return { randomBytes, drawScalar: () => randomBytes(32) }
}

/** A comparator that holds a secret and waits. */
export function collecting(secret: string): ComparatorState {
  return { tag: 'collecting', pieces: new TextEncoder().encode(secret) }
}

export function peerBytes(bytes: Uint8Array): ComparatorInput {
  return { type: 'peer-bytes', bytes }
}

/** Every state and message of one run. Message i was made by `steps[i - 1]`. */
export interface Comparison {
  readonly initiatorDeps: StepDeps
  readonly responderDeps: StepDeps
  readonly messages: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  readonly initiator: {
    readonly awaiting2: ComparatorState
    readonly awaiting4: ComparatorState
    readonly end: ComparatorState
  }
  readonly responder: { readonly awaiting3: ComparatorState; readonly end: ComparatorState }
}

/** Lets two sides compare, by the pure step, from one seed. */
export function compare(seed: string, initiatorSecret: string, responderSecret: string): Comparison {
  const initiatorDeps = comparatorDeps(seededBytes(`initiator ${seed}`))
  const responderDeps = comparatorDeps(seededBytes(`responder ${seed}`))
  const begun = step(collecting(initiatorSecret), { type: 'begin' }, initiatorDeps)
  const answered1 = step(collecting(responderSecret), peerBytes(replyOf(begun)), responderDeps)
  const answered2 = step(begun.state, peerBytes(replyOf(answered1)), initiatorDeps)
  const answered3 = step(answered1.state, peerBytes(replyOf(answered2)), responderDeps)
  const ended = step(answered2.state, peerBytes(replyOf(answered3)), initiatorDeps)
  return {
    initiatorDeps,
    responderDeps,
    messages: [replyOf(begun), replyOf(answered1), replyOf(answered2), replyOf(answered3)],
    initiator: { awaiting2: begun.state, awaiting4: answered2.state, end: ended.state },
    responder: { awaiting3: answered1.state, end: answered3.state }
  }
}

export function replyOf({ reply }: ComparatorStep): Uint8Array {
  if (reply === undefined) throw new Error('nothing was sent')
  return reply
}
