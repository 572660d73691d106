import fc from 'fast-check'
import { expect, test } from 'vitest'
import { poolRandomBytes, readU32be, readU32le, readU64be, writeU32be, writeU32le, writeU64be } from '../src/bytes.ts'

test('integers are read as they were written, at any offset', () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff })
  fc.assert(
    fc.property(u32, fc.maxSafeNat(), fc.nat({ max: 8 }), (small, large, offset) => {
      const bytes = new Uint8Array(16)
      writeU32be(bytes, offset, small)
      expect(readU32be(bytes, offset)).toBe(small)
      expect(new DataView(bytes.buffer).getUint32(offset)).toBe(small)
      writeU32le(bytes, offset, small)
      expect(readU32le(bytes, offset)).toBe(small)
      expect(new DataView(bytes.buffer).getUint32(offset, true)).toBe(small)
      writeU64be(bytes, offset, large)
      expect(readU64be(bytes, offset)).toBe(large)
      expect(new DataView(bytes.buffer).getBigUint64(offset)).toBe(BigInt(large))
    })
  )
})

test('a pool hands out every byte once, and asks its source rarely', () => {
  const asked: number[] = []
  let next = 0
  const pooled = poolRandomBytes(length => {
    asked.push(length)
    return Uint8Array.from({ length }, () => next++)
  }, 64)
  const taken = [16, 16, 16, 32, 16, 16].map(length => [...pooled(length)])
  expect(new Set(taken.flat()).size).toBe(16 * 5 + 32)
  expect(asked).toEqual([64, 64])
  expect(pooled(33).length).toBe(33)
  expect(asked).toEqual([64, 64, 33])
})
