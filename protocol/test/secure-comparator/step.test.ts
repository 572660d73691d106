import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  type ComparatorInput,
  type ComparatorState,
  type ComparatorStep,
  resultOf
} from '../../src/secure-comparator/state.ts'
import { type StepDeps, step } from '../../src/secure-comparator/step.ts'
import { collecting, compare, peerBytes } from '../support/comparison.ts'
import { flipped } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

const equal = compare('one run', 'secret', 'secret')
/** The same run, in which one side has another secret. */
const initiatorDiffers = compare('one run', 'other', 'secret')
const responderDiffers = compare('one run', 'secret', 'other')
const { initiatorDeps, responderDeps } = equal

interface Situation {
  readonly state: ComparatorState
  readonly deps: StepDeps
  readonly same: Uint8Array
  readonly other: Uint8Array
  /** Where a run with the other secret has led, if it parted before. */
  readonly otherState?: ComparatorState
}

const [same1, same2, same3, same4] = equal.messages
const [other1, , other3] = initiatorDiffers.messages
const [, other2, , other4] = responderDiffers.messages
const SITUATIONS: Readonly<Record<ComparatorState['tag'], Situation>> = {
  empty: { state: { tag: 'empty' }, deps: responderDeps, same: same1, other: other1 },
  collecting: { state: collecting('secret'), deps: responderDeps, same: same1, other: other1 },
  'awaiting-message-2': { state: equal.initiator.awaiting2, deps: initiatorDeps, same: same2, other: other2 },
  'awaiting-message-3': { state: equal.responder.awaiting3, deps: responderDeps, same: same3, other: other3 },
  'awaiting-message-4': {
    state: equal.initiator.awaiting4,
    deps: initiatorDeps,
    same: same4,
    other: other4,
    otherState: responderDiffers.initiator.awaiting4
  },
  compared: { state: equal.responder.end, deps: responderDeps, same: same3, other: other3 },
  closed: { state: { tag: 'closed' }, deps: responderDeps, same: same1, other: other1 }
}

const INPUTS: Readonly<Record<string, (situation: Situation) => ComparatorInput>> = {
  '`append`': () => ({ type: 'append', piece: Uint8Array.of(1) }),
  '`begin`': () => ({ type: 'begin' }),
  'same secret': ({ same }) => peerBytes(same),
  'other secret': ({ other }) => peerBytes(other),
  forged: ({ same }) => peerBytes(flipped(same, same.length - 5)),
  malformed: ({ same }) => peerBytes(same.subarray(0, -1))
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
    const { otherState = situation.state } = situation
    const from = input === 'other secret' ? otherState : situation.state
    const before = structuredClone(from)
    const makeInput = INPUTS[input] as (situation: Situation) => ComparatorInput
    const run = () => step(from, makeInput(situation), situation.deps)
    if (outcome.startsWith('! ')) expect(codeOf(run)).toBe(outcome.slice(2))
    else expect(describeStep(run())).toBe(outcome)
    expect(from).toEqual(before)
  })
})

describe('a step', () => {
  test('ends with a match on both sides for one secret, and with none for two', () => {
    expect([equal.initiator.end, equal.responder.end].map(resultOf)).toEqual(['match', 'match'])
    for (const { initiator, responder } of [initiatorDiffers, responderDiffers]) {
      expect([initiator.end, responder.end].map(resultOf)).toEqual(['no-match', 'no-match'])
    }
  })

  test('draws nothing and computes nothing for a message that it refuses', () => {
    const noRandomness: StepDeps = {
      randomBytes: () => {
        throw new Error('asked for randomness')
      },
      drawScalar: () => {
        throw new Error('asked for a scalar')
      }
    }
    const noPoint = same1.map((byte, i) => (i < 32 ? 2 : byte))
    for (const bytes of [same1.subarray(0, -1), noPoint]) {
      expect(codeOf(() => step(collecting('secret'), peerBytes(bytes), noRandomness))).toBe('INVALID_MESSAGE')
    }
  })

  test('keeps nothing of the buffers that it was given', () => {
    const piece = Buffer.from('secret')
    const borrowed = Buffer.from(same1)
    const { state } = step({ tag: 'empty' }, { type: 'append', piece }, responderDeps)
    piece.fill(0)
    expect(state).toEqual(collecting('secret'))
    const answered = step(state, peerBytes(borrowed), responderDeps)
    const before = structuredClone(answered.state)
    borrowed.fill(0)
    expect(answered.state).toEqual(before)
  })

  test('goes on from a clone of a state, which holds no memory but its own', () => {
    for (const { state, deps, same } of ['awaiting-message-2', 'awaiting-message-3', 'awaiting-message-4'].map(
      tag => SITUATIONS[tag as ComparatorState['tag']]
    )) {
      for (const value of Object.values(state)) {
        if (value instanceof Uint8Array) expect(value.buffer.byteLength).toBe(value.length)
      }
      expect(resultOf(step(structuredClone(state), peerBytes(same), deps).state)).not.toBe('no-match')
    }
  })

  test('refuses an empty piece as a wrong call', () => {
    for (const state of [{ tag: 'empty' }, collecting('secret')] as const) {
      expect(() => step(state, { type: 'append', piece: new Uint8Array(0) }, responderDeps)).toThrow(RangeError)
    }
  })

  test('refuses scalars that have not 32 bytes, as a wrong dependency', () => {
    for (const length of [31, 33]) {
      const deps = { ...responderDeps, drawScalar: () => new Uint8Array(length).fill(1) }
      expect(() => step(collecting('secret'), { type: 'begin' }, deps)).toThrow(RangeError)
    }
  })

  test('overwrites the scalars that it was handed', () => {
    const handed: Uint8Array[] = []
    const drawScalar = () => {
      const scalar = new Uint8Array(32).fill(7)
      handed.push(scalar)
      return scalar
    }
    step(collecting('secret'), { type: 'begin' }, { ...initiatorDeps, drawScalar })
    expect(handed).toEqual([new Uint8Array(32), new Uint8Array(32)])
  })
})

function describeStep({ state, reply }: ComparatorStep): string {
  const result = resultOf(state)
  return `${state.tag}${result === 'pending' ? '' : ` (${result})`}${reply === undefined ? '' : ': send'}`
}

function readStepTable(): { state: ComparatorState['tag']; input: string; outcome: string }[] {
  const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8')
  const [, text] = /<!-- table: comparator steps -->([\s\S]*?)<!-- end of table -->/.exec(spec) as RegExpExecArray
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
    outcomes.map((outcome, i) => ({ state: state as ComparatorState['tag'], input: header[i + 1] as string, outcome }))
  )
}
