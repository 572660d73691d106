import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RandomBytes, seededRandomBytes, systemRandomBytes } from '../src/random.ts'

const sources: [string, () => RandomBytes][] = [
  ['systemRandomBytes', () => systemRandomBytes],
  ['seededRandomBytes', () => seededRandomBytes('contract')]
]

describe.each(sources)('%s', (_name, make) => {
  it('gives as many bytes as asked for, in an array of their own', () => {
    const randomBytes = make()
    for (const lengthBytes of [0, 1, 31, 32, 33, 100_000]) {
      const bytes = randomBytes(lengthBytes)
      expect(bytes).toHaveLength(lengthBytes)
      expect(bytes.constructor).toBe(Uint8Array)
      expect(bytes.buffer.byteLength).toBe(lengthBytes)
    }
  })

  it('does not repeat itself', () => {
    const randomBytes = make()
    const seen = new Set(Array.from({ length: 1_000 }, () => Buffer.from(randomBytes(16)).toString('hex')))
    expect(seen.size).toBe(1_000)
  })

  it('has every bit set about half of the time', () => {
    const bytes = make()(8_000)
    for (let bit = 0; bit < 8; bit++) {
      const setCount = bytes.reduce((count, byte) => count + ((byte >> bit) & 1), 0)
      // Eight standard deviations to each side.
      expect(setCount).toBeGreaterThan(4_000 - 8 * 45)
      expect(setCount).toBeLessThan(4_000 + 8 * 45)
    }
  })

  it('does not change bytes that it handed out', () => {
    const randomBytes = make()
    const first = randomBytes(16)
    const copy = first.slice()
    first.fill(0)
    expect(randomBytes(16)).not.toEqual(copy)
    expect(randomBytes(16)).not.toEqual(first)
  })
})

describe('seededRandomBytes', () => {
  it('gives the same bytes for the same seed, however they are asked for', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.nat(100), { maxLength: 20 }), (seed, lengths) => {
        const inPieces = seededRandomBytes(seed)
        const pieces = lengths.map(lengthBytes => inPieces(lengthBytes))
        const total = lengths.reduce((sum, lengthBytes) => sum + lengthBytes, 0)
        expect(Buffer.concat(pieces)).toEqual(Buffer.from(seededRandomBytes(seed)(total)))
      })
    )
  })

  it('gives other bytes for another seed', () => {
    expect(seededRandomBytes('a')(16)).not.toEqual(seededRandomBytes('b')(16))
  })
})
