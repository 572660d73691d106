import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import type { SessionState } from '../../src/secure-session/state.ts'
import { type StepDeps, step } from '../../src/secure-session/step.ts'
import { encodeContainer } from '../../src/soter/container.ts'
import {
  awaitingAccept,
  awaitingClientKey,
  awaitingFinish,
  awaitingProceed,
  awaitingServerKey,
  clientDeps,
  depsOf,
  established,
  idle,
  keyOf,
  listening,
  message1,
  message2,
  message3,
  message4,
  peerBytes,
  sentBy,
  serverDeps
} from '../support/handshake.ts'
import { ALICE, BOB, establishedPair, type Identity, MALLORY, NOW_SECONDS } from '../support/peers.ts'
import { flipped } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

interface Side {
  readonly state: SessionState
  readonly deps: StepDeps
  readonly peer: Identity
}

/** What comes of a message and, where it is asked for, the key of the peer: the state after it, or the code of the refusal. */
function outcomeOf({ state, deps, peer }: Side, message: Uint8Array): string {
  try {
    const read = step(state, peerBytes(message), deps)
    const asked = read.effects.some(({ type }) => type === 'need-peer-key')
    const { state: after, effects } = asked ? step(read.state, keyOf(peer), deps) : read
    const refusal = effects.find(effect => effect.type === 'refuse')
    if (refusal === undefined) return after.tag
    expect(after.tag).toBe(state.tag)
    return (refusal.error as ProtocolError).code
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

const client = (state: SessionState): Side => ({ state, deps: clientDeps, peer: BOB })
const server = (state: SessionState): Side => ({ state, deps: serverDeps, peer: ALICE })

const SIDES: Readonly<Record<SessionState['tag'], Side>> = {
  idle: client(idle),
  'awaiting-accept': client(awaitingAccept.state),
  'awaiting-server-key': client(awaitingServerKey.state),
  'awaiting-finish': client(awaitingFinish.state),
  listening: server(listening),
  'awaiting-client-key': server(awaitingClientKey.state),
  'awaiting-proceed': server(awaitingProceed.state),
  established: server(established.state),
  closed: server({ tag: 'closed' })
}

/** Genuine messages, of this run or of another between the same two, and one of a peer that starts at the same time. */
const data = establishedPair().client.wrap(Uint8Array.of(1), NOW_SECONDS)
const ofOtherRun = establishedPair().messages as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
const bobsMessage1 = sentBy(step(idle, { type: 'connect' }, depsOf(BOB)))
const MESSAGES: Readonly<Record<string, Uint8Array>> = {
  'message 1': message1,
  'message 2': message2,
  'message 3': message3,
  'message 4': message4,
  'message 1 of the peer': bobsMessage1,
  'message 2 of another run': ofOtherRun[1],
  'message 3 of another run': ofOtherRun[2],
  'message 4 of another run': ofOtherRun[3],
  'a data message': data
}

/** What advances a state. Message 1 of another run is message 1 of another handshake, and as good. */
const ADVANCES: Readonly<Record<string, string>> = {
  'awaiting-accept × message 2': 'awaiting-finish',
  'awaiting-finish × message 4': 'established',
  'listening × message 1': 'awaiting-proceed',
  'awaiting-proceed × message 3': 'established'
}

describe('any message in any state', () => {
  const cells = Object.keys(SIDES).flatMap(state => Object.keys(MESSAGES).map(message => ({ state, message })))

  test.each(cells)('$state, $message', ({ state, message }) => {
    const outcome = outcomeOf(SIDES[state as SessionState['tag']], MESSAGES[message] as Uint8Array)
    const advance = ADVANCES[`${state} × ${message}`]
    if (advance !== undefined) expect(outcome).toBe(advance)
    else expect(outcome).toMatch(/^(AUTHENTICATION_FAILED|INVALID_MESSAGE|UNEXPECTED_MESSAGE)$/)
  })

  test('two clients that start at the same time refuse each other as unauthentic', () => {
    expect(outcomeOf(client(awaitingAccept.state), bobsMessage1)).toBe('AUTHENTICATION_FAILED')
    const bob = step(idle, { type: 'connect' }, depsOf(BOB))
    const side = { state: bob.state, deps: serverDeps, peer: ALICE }
    expect(outcomeOf(side, message1)).toBe('AUTHENTICATION_FAILED')
  })
})

describe('a handshake message of which one byte was changed', () => {
  const AWAITED = [
    { name: 'message 1', side: SIDES.listening, message: message1 },
    { name: 'message 2', side: SIDES['awaiting-accept'], message: message2 },
    { name: 'message 3', side: SIDES['awaiting-proceed'], message: message3 },
    { name: 'message 4', side: SIDES['awaiting-finish'], message: message4 }
  ]

  test.each(AWAITED)('$name is refused by its checksum, whatever byte and whatever change', ({ side, message }) => {
    for (let offset = 0; offset < message.length; offset++) {
      for (let change = 1; change < 256; change++) {
        const changed = message.with(offset, (message[offset] as number) ^ change)
        expect(codeOf(() => step(side.state, peerBytes(changed), side.deps))).toMatch(
          /^(DATA_CORRUPT|INVALID_MESSAGE)$/
        )
      }
    }
  })

  test.each(AWAITED)('$name is refused with right checksums too, but for the ID in message 1', ({ side, message }) => {
    const accepted: number[] = []
    for (let offset = 12; offset < message.length; offset++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = withRightChecksums(flipped(message, offset, bit))
        // A change of a checksum is undone with it.
        if (Buffer.compare(changed, message) === 0) continue
        const outcome = outcomeOf(side, changed)
        if (outcome.startsWith('awaiting') || outcome === 'established') accepted.push(offset)
      }
    }
    const idStart = 12 + 12
    const idBits = Array.from({ length: 8 * ALICE.id.length }, (_, i) => idStart + (i >> 3))
    expect(accepted).toEqual(message === message1 ? idBits : [])
  })

  test('message 1 with another ID of the same key is answered, and the client refuses the answer', () => {
    const renamed = withRightChecksums(flipped(message1, 12 + 12))
    const asked = step(listening, peerBytes(renamed), serverDeps)
    const answered = step(asked.state, keyOf(ALICE), serverDeps)
    const answer = answered.effects.find(({ type }) => type === 'send') as { bytes: Uint8Array }
    expect(outcomeOf(client(awaitingAccept.state), answer.bytes)).toBe('AUTHENTICATION_FAILED')
  })

  test('message 1 with another ID is refused where that ID has another key', () => {
    const renamed = withRightChecksums(flipped(message1, 12 + 12))
    expect(outcomeOf({ ...SIDES.listening, peer: MALLORY }, renamed)).toBe('AUTHENTICATION_FAILED')
  })
})

/** Makes the checksums of a changed message right again: of the whole, and of the ID in it where there is one of that size. */
function withRightChecksums(message: Uint8Array): Uint8Array {
  const payload = message.slice(12)
  const idBytes = 12 + ALICE.id.length
  const ids = [ALICE, BOB].map(({ id }) => 12 + id.length)
  const size = new DataView(payload.buffer).getUint32(4)
  if (payload.length > idBytes && ids.includes(size)) {
    const tag = String.fromCharCode(...payload.subarray(0, 4))
    payload.set(encodeContainer(tag, payload.subarray(12, size)))
  }
  return encodeContainer('TSPM', payload)
}
