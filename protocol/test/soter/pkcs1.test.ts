import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { plainBytes } from '../../src/bytes.ts'
import { decodeIntegers, encodeIntegers } from '../../src/soter/pkcs1.ts'

const toNumber = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

describe('integers in DER', () => {
  test('come back as the same numbers, in their shortest form, whatever their length and leading zeros', () => {
    const integers = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(integers, numbers => {
        const decoded = decodeIntegers(encodeIntegers(numbers))
        expect(decoded.map(toNumber)).toEqual(numbers.map(toNumber))
        for (const number of decoded) expect(number.length === 1 || number[0] !== 0).toBe(true)
      })
    )
  })

  test('are what OpenSSL writes', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const written = plainBytes(publicKey.export({ format: 'der', type: 'pkcs1' }))
    expect(encodeIntegers(decodeIntegers(written))).toEqual(written)
    const imported = createPublicKey({ key: Buffer.from(written), format: 'der', type: 'pkcs1' })
    expect(imported.equals(publicKey)).toBe(true)
  })
})
