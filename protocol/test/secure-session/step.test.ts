import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { KeyPair } from '../../src/keys.ts'
import { decodeIntroduction, encodeIntroduction } from '../../src/secure-session/messages.ts'
import type { SessionInput, SessionState, SessionStep } from '../../src/secure-session/state.ts'
import { step } from '../../src/secure-session/step.ts'
import { decodeContainer, encodeContainer } from '../../src/soter/container.ts'
import {
  awaitingAccept,
  awaitingClientKey,
  awaitingFinish,
  awaitingProceed,
  awaitingServerKey,
  clientDeps,
  established,
  forgeLastByte,
  idle,
  keyOf,
  listening,
  message1,
  message2,
  message3,
  message4,
  peerBytes,
  serverDeps
} from '../support/handshake.ts'
import { ALICE, BOB, type Identity, MALLORY } from '../support/peers.ts'
import { flipped } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

interface Situation {
  readonly state: SessionState
  readonly deps: typeof clientDeps
  readonly genuine: Uint8Array
  readonly forged: Uint8Array
  readonly rightKey: Identity
}

const SITUATIONS: Readonly<Record<SessionState['tag'], Situation>> = {
  idle: client(idle, message2, forgeLastByte(message2)),
  'awaiting-accept': client(awaitingAccept.state, message2, forgeLastByte(message2)),
  'awaiting-server-key': client(awaitingServerKey.state, message2, forgeLastByte(message2)),
  'awaiting-finish': client(awaitingFinish.state, message4, forgeLastByte(message4)),
  listening: server(listening, message1, forgeLastByte(message1)),
  'awaiting-client-key': server(awaitingClientKey.state, message1, forgeLastByte(message1)),
  'awaiting-proceed': server(awaitingProceed.state, message3, forgeLastByte(message3)),
  established: server(established.state, message3, forgeLastByte(message3)),
  closed: server({ tag: 'closed' }, message1, forgeLastByte(message1))
}

const INPUTS: Readonly<Record<string, (situation: Situation) => SessionInput>> = {
  '`connect`': () => ({ type: 'connect' }),
  genuine: ({ genuine }) => peerBytes(genuine),
  forged: ({ forged }) => peerBytes(forged),
  malformed: ({ genuine }) => peerBytes(genuine.subarray(0, -1)),
  'right key': ({ rightKey }) => keyOf(rightKey),
  'wrong key': () => keyOf(MALLORY),
  'no key': () => ({ type: 'peer-key', key: undefined })
}

const table = readStepTable()

test('the table in SPEC.md has every state and every input', () => {
  const cells = table.map(({ state, input }) => `${state} × ${input}`)
  const expected = Object.keys(SITUATIONS).flatMap(state => Object.keys(INPUTS).map(input => `${state} × ${input}`))
  expect(cells.toSorted()).toEqual(expected.toSorted())
})

describe('a step does what the table in SPEC.md says', () => {
  test.each(table)('$state, $input: $outcome', ({ state, input, outcome }) => {
    const situation = SITUATIONS[state]
    const before = bytesIn(situation.state)
    const makeInput = INPUTS[input] as (situation: Situation) => SessionInput
    const run = () => step(situation.state, makeInput(situation), situation.deps)
    if (outcome.startsWith('! ')) expect(codeOf(run)).toBe(outcome.slice(2))
    else expect(describeStep(run())).toBe(outcome)
    expect(bytesIn(situation.state)).toBe(before)
  })
})

describe('a step', () => {
  test('has no failed state: a server that refused a message takes the genuine one', () => {
    const forged = step(listening, peerBytes(forgeLastByte(message1)), serverDeps)
    const refused = step(forged.state, keyOf(ALICE), serverDeps)
    expect(describeStep(refused)).toBe('listening: refuse AUTHENTICATION_FAILED')
    const again = step(refused.state, peerBytes(message1), serverDeps)
    expect(describeStep(step(again.state, keyOf(ALICE), serverDeps))).toBe('awaiting-proceed: send')
  })

  test('a client that refused a message keeps its ephemeral key and takes the genuine one', () => {
    const forged = step(awaitingAccept.state, peerBytes(forgeLastByte(message2)), clientDeps)
    const refused = step(forged.state, keyOf(BOB), clientDeps)
    expect(describeStep(refused)).toBe('awaiting-accept: refuse AUTHENTICATION_FAILED')
    const again = step(refused.state, peerBytes(message2), clientDeps)
    expect(describeStep(step(again.state, keyOf(BOB), clientDeps))).toBe('awaiting-finish: send')
  })

  test('keeps nothing of the buffers that it was given', () => {
    const borrowed = Buffer.from(message1)
    const asked = step(listening, peerBytes(borrowed), serverDeps)
    borrowed.fill(0)
    const { state } = step(asked.state, keyOf(ALICE), serverDeps)
    expect(state.tag).toBe('awaiting-proceed')
    expect('messages' in state && state.messages[0]).toEqual(message1)
  })

  test('refuses a signature in message 3 over other data, and a MAC of another session, alike', () => {
    const mac = message3.subarray(-32)
    const signature = decodeContainer(message3, 'TSPM').subarray(0, -32)
    const badMac = encodeContainer('TSPM', signature, flipped(mac, 0))
    const badSignature = encodeContainer('TSPM', ALICE.keys.privateKey.sign(Uint8Array.of(1)), mac)
    for (const forged of [badMac, badSignature]) {
      expect(codeOf(() => step(awaitingProceed.state, peerBytes(forged), serverDeps))).toBe('AUTHENTICATION_FAILED')
    }
  })

  test('refuses an ephemeral key that is no P-256 point, though its owner signed it', () => {
    const offCurve = encodeContainer(
      'UEC2',
      Uint8Array.from({ length: 33 }, (_, i) => (i === 0 ? 2 : i >> 5))
    )
    const wrongCrc = flipped(ALICE.keys.publicKey.toBytes(), 9)
    const tooShort = encodeContainer('UEC2', Uint8Array.of(2))
    for (const [ephemeralKey, code] of [
      [offCurve, 'INVALID_KEY'],
      [tooShort, 'INVALID_KEY'],
      [p384PublicKey(), 'INVALID_KEY'],
      [wrongCrc, 'DATA_CORRUPT']
    ] as const) {
      const message = encodeIntroduction(ALICE.id, ephemeralKey, ALICE.keys.privateKey.sign(ephemeralKey))
      const asked = step(listening, peerBytes(message), serverDeps)
      expect(describeStep(step(asked.state, keyOf(ALICE), serverDeps))).toBe(`listening: refuse ${code}`)
    }
  })

  test('makes no ephemeral key of its own for a peer whose ephemeral key is refused', () => {
    const ephemeralKey = p384PublicKey()
    const message = encodeIntroduction(ALICE.id, ephemeralKey, ALICE.keys.privateKey.sign(ephemeralKey))
    let made = 0
    const counting = {
      ...serverDeps,
      generateKeyPair: () => {
        made++
        return serverDeps.generateKeyPair()
      }
    }
    const asked = step(listening, peerBytes(message), counting)
    expect(describeStep(step(asked.state, keyOf(ALICE), counting))).toBe('listening: refuse INVALID_KEY')
    expect(made).toBe(0)
  })

  test('lets through what is no refusal of a message, such as a random source that fails', () => {
    const broken = {
      ...serverDeps,
      generateKeyPair: (): KeyPair => {
        throw new TypeError('no randomness')
      }
    }
    expect(() => step(awaitingClientKey.state, keyOf(ALICE), broken)).toThrow(TypeError)
  })

  test('refuses its own message 1 when it comes back as message 2', () => {
    const reflected = step(awaitingAccept.state, peerBytes(message1), clientDeps)
    expect(describeStep(step(reflected.state, keyOf(ALICE), clientDeps))).toBe(
      'awaiting-accept: refuse AUTHENTICATION_FAILED'
    )
  })
})

function client(state: SessionState, genuine: Uint8Array, forged: Uint8Array): Situation {
  return { state, deps: clientDeps, genuine, forged, rightKey: BOB }
}

function server(state: SessionState, genuine: Uint8Array, forged: Uint8Array): Situation {
  return { state, deps: serverDeps, genuine, forged, rightKey: ALICE }
}

function p384PublicKey(): Uint8Array {
  const vector = 'VUVDMwAAAD1VjJPSAsN8aHULy9CPfskF4clSKWYeGiLmLJcr8yTA2XSpGnsFmBaY5TwnM7nJ0+DkjgD9iA=='
  return new Uint8Array(Buffer.from(vector, 'base64'))
}

function describeStep({ state, effects }: SessionStep): string {
  const names = effects.map(effect =>
    effect.type === 'refuse' ? `refuse ${(effect.error as { code?: string }).code}` : effect.type
  )
  return names.length === 0 ? state.tag : `${state.tag}: ${names.join(', ')}`
}

/** All byte strings in a state, to see that a step changes none. */
function bytesIn(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value === null || typeof value !== 'object') return String(value)
  return Object.entries(value)
    .map(([name, member]) => `${name}=${bytesIn(member)}`)
    .join('\n')
}

function readStepTable(): { state: SessionState['tag']; input: string; outcome: string }[] {
  const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8')
  const [, text] = /<!-- table: session steps -->([\s\S]*?)<!-- end of table -->/.exec(spec) as RegExpExecArray
  const rows = (text as string)
    .split('\n')
    .filter(line => line.startsWith('|') && !line.startsWith('|---'))
    .map(line =>
      line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim())
    )
  const [header, ...body] = rows as [string[], ...string[][]]
  return body.flatMap(([state, ...outcomes]) =>
    outcomes.map((outcome, i) => ({
      state: state as SessionState['tag'],
      input: header[i + 1] as string,
      outcome
    }))
  )
}

test('what is decoded of message 1 is what the client put in', () => {
  const { id, ephemeralKey } = decodeIntroduction(message1)
  expect(id).toEqual(ALICE.id)
  expect('ephemeral' in awaitingAccept.state && awaitingAccept.state.ephemeral.publicKey.toBytes()).toEqual(
    ephemeralKey
  )
})
