import { randomBytes } from 'node:crypto'
import { type ComparatorResult, type ComparatorRole, SecureComparator } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import { type Expectation, fromBase64, loadVectors, statusOfRefusal, toBase64, type VectorCase } from './load.ts'

interface FixedBytes {
  readonly offset: number
  readonly bytes: string
}

interface ComparatorCase extends VectorCase {
  readonly role: ComparatorRole
  readonly secrets: readonly string[]
  readonly inject: { readonly rand2: string; readonly rand3: string; readonly rand: string }
  readonly begin_out_at?: readonly FixedBytes[]
  readonly steps: readonly {
    readonly input: string
    readonly expect: Expectation & { readonly output: number; readonly result: number }
    readonly out_at: readonly FixedBytes[]
  }[]
  readonly result: number
}

/** Themis's numbers for what is known of the secrets. */
const RESULT_NUMBERS: Readonly<Record<ComparatorResult, number>> = { pending: 0, match: 21, 'no-match': 22 }

describe.each([
  { file: 'comparator.json', count: 70 },
  { file: 'comparator-forged.json', count: 2 }
])('Secure Comparator, $file', ({ file, count }) => {
  const { cases } = loadVectors<ComparatorCase>(file)

  test('all cases are there', () => {
    expect(cases.length).toBe(count)
  })

  test.each(cases)('$id: $desc', vector => {
    using comparator = openSide(vector)
    if (vector.role === 'initiator') expectFixed(comparator.begin(), vector.begin_out_at ?? [])
    for (const { input, expect: expected, out_at } of vector.steps) {
      if (expected.ok) {
        const reply = comparator.receive(fromBase64(input))
        expect(reply?.length ?? 0).toBe(expected.output)
        expect(reply === undefined ? 0 : 1).toBe(expected.status)
        if (reply !== undefined) expectFixed(reply, out_at)
      } else {
        expect(statusOfRefusal('other', () => comparator.receive(fromBase64(input)))).toBe(expected.status)
      }
      expect(RESULT_NUMBERS[comparator.result]).toBe(expected.result)
    }
    expect(RESULT_NUMBERS[comparator.result]).toBe(vector.result)
  })
})

function openSide({ secrets, inject }: ComparatorCase): SecureComparator {
  const scalars = { second: inject.rand2, third: inject.rand3, blinding: inject.rand }
  const comparator = new SecureComparator({ randomBytes, drawScalar: name => fromBase64(scalars[name]) })
  for (const secret of secrets) comparator.append(fromBase64(secret))
  return comparator
}

function expectFixed(bytes: Uint8Array, fixed: readonly FixedBytes[]): void {
  for (const { offset, bytes: expected } of fixed) {
    const { length } = fromBase64(expected)
    expect(toBase64(bytes.subarray(offset, offset + length))).toBe(expected)
  }
}
