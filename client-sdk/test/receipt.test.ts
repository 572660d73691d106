import { describe, expect, it } from 'vitest'
import { idAfter, idAt, Receipt, sliceIds } from '../src/receipt.ts'

const IDS = [
  { first: 'e.1.9', count: 2 },
  { first: 'e.1.20', count: 3 }
]

describe('IDs of a run', () => {
  it('count up in their last part', () => {
    expect(idAfter('0a9f.12.99', 1)).toBe('0a9f.12.100')
    expect(idAfter('0a9f.12.99', 0)).toBe('0a9f.12.99')
  })

  it('are refused where the last part is no number', () => {
    for (const id of ['', 'e', 'e.1.', 'e.1.x', 'e.1.9007199254740991'])
      expect(() => idAfter(id, 1)).toThrow(RangeError)
  })

  it('go on in the next range', () => {
    expect([0, 1, 2, 3, 4].map(offset => idAt(IDS, offset))).toEqual(['e.1.9', 'e.1.10', 'e.1.20', 'e.1.21', 'e.1.22'])
    expect(() => idAt(IDS, 5)).toThrow(RangeError)
    expect(() => idAt(IDS, -1)).toThrow(RangeError)
  })

  it('can be cut anywhere', () => {
    for (let from = 0; from <= 5; from++) {
      for (let count = 0; from + count <= 5; count++) {
        const slice = sliceIds(IDS, from, count)
        const expected = Array.from({ length: count }, (_, n) => idAt(IDS, from + n))
        expect(slice.flatMap(range => Array.from({ length: range.count }, (_, n) => idAfter(range.first, n)))).toEqual(
          expected
        )
      }
    }
  })

  it('are what a receipt shows', () => {
    expect(JSON.stringify(new Receipt(IDS, 3))).toBe('{"id":"e.1.21"}')
  })
})
