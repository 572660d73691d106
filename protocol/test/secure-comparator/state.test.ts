import { expect, test } from 'vitest'
import { type ComparatorState, wipeLeftState } from '../../src/secure-comparator/state.ts'
import { compare } from '../support/comparison.ts'

const { initiator, responder } = compare('state', 'secret', 'secret')

test('leaving a state overwrites what the next one does not hold', () => {
  const left = structuredClone(initiator.awaiting2) as Extract<ComparatorState, { tag: 'awaiting-message-2' }>
  const next = { ...structuredClone(initiator.awaiting4), a3: left.a3 } as ComparatorState
  const a3 = left.a3.slice()
  wipeLeftState(left, next)
  expect(left.secret).toEqual(new Uint8Array(32))
  expect(left.a2).toEqual(new Uint8Array(32))
  expect(left.a3).toEqual(a3)
})

test('closing overwrites scalars, points and pieces', () => {
  const collecting: ComparatorState = { tag: 'collecting', pieces: Uint8Array.of(1, 2) }
  for (const state of [collecting, initiator.awaiting2, initiator.awaiting4, responder.awaiting3]) {
    const left = structuredClone(state)
    expect(numbersIn(left).some(number => number !== 0)).toBe(true)
    wipeLeftState(left, { tag: 'closed' })
    expect(numbersIn(left).every(number => number === 0)).toBe(true)
  }
})

function numbersIn(value: unknown): number[] {
  if (value instanceof Uint8Array || value instanceof Float64Array) return [...value]
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(numbersIn) : []
}
