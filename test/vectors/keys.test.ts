import {
  assertValidKey,
  decodePrivateKey,
  decodePublicKey,
  type KeyKind,
  keyKind,
  verifyMessage
} from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import { type Expectation, fromBase64, loadVectors, statusOfRefusal, type VectorCase } from './load.ts'

interface KeyCase extends VectorCase {
  readonly key: string
  readonly kind: number
  readonly expect: Expectation
  readonly pair?: string
  readonly use?: { readonly message: string; readonly expect: Expectation }
}

const KINDS: readonly KeyKind[] = ['invalid', 'rsa-private', 'rsa-public', 'ec-private', 'ec-public']

const { cases } = loadVectors<KeyCase>('keys.json')
const isEc = (vector: KeyCase) => vector.kind === 3 || vector.kind === 4
const good = cases.filter(vector => vector.expect.ok && vector.use === undefined)
const goodEc = good.filter(isEc)
const bad = cases.filter(vector => vector.use !== undefined)

test('form and kind are judged for all 50 cases, use for all but RSA', () => {
  expect(cases.length).toBe(50)
  expect({ ec: goodEc.length, rsa: good.length - goodEc.length }).toEqual({ ec: 10, rsa: 6 })
  expect({ ec: bad.filter(isEc).length, rsa: bad.length - bad.filter(isEc).length }).toEqual({ ec: 3, rsa: 1 })
})

describe('form and kind of a key', () => {
  test.each(cases)('$id $desc', vector => {
    const key = fromBase64(vector.key)
    expect(keyKind(key)).toBe(KINDS[vector.kind])
    if (vector.expect.ok) assertValidKey(key)
    else expect(statusOfRefusal('other', () => assertValidKey(key))).toBe(vector.expect.status)
  })
})

describe('a good EC key', () => {
  test.each(goodEc)('$id $desc is read', vector => {
    const bytes = fromBase64(vector.key)
    if (vector.kind === 4) {
      expect(decodePublicKey(bytes).toBytes()).toEqual(bytes)
      return
    }
    // A private key in the short form is written in the long one, as Themis writes.
    const { curve } = decodePrivateKey(bytes)
    expect(decodePrivateKey(decodePrivateKey(bytes).toBytes()).curve).toBe(curve)
    const partner = goodEc.find(other => other.kind === 4 && other.pair === vector.pair) as KeyCase
    const publicKey = decodePublicKey(fromBase64(partner.key))
    const message = Uint8Array.of(1, 2, 3)
    expect(publicKey.verify(message, decodePrivateKey(bytes).sign(message))).toBe(true)
  })
})

describe('bad key material in a container of valid form', () => {
  test.each(bad.filter(isEc))('$id $desc is refused on use', ({ key, use }) => {
    const verify = () => verifyMessage(decodePublicKey(fromBase64(key)), fromBase64(use?.message ?? ''))
    expect(statusOfRefusal('other', verify)).toBe(use?.expect.status)
  })
})

describe('RSA keys', () => {
  test.each(good.filter(vector => !isEc(vector)))('$id $desc is recognised and not used', vector => {
    const decode = vector.kind === 1 ? decodePrivateKey : decodePublicKey
    expect(statusOfRefusal('other', () => decode(fromBase64(vector.key)))).toBe(17)
  })
})
