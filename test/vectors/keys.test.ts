import {
  type AnyPublicKey,
  assertValidKey,
  decodeAnyPrivateKey,
  decodeAnyPublicKey,
  decodePrivateKey,
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
const good = cases.filter(vector => vector.expect.ok && vector.use === undefined)
const bad = cases.filter(vector => vector.use !== undefined)

test('form and kind are judged for all 50 cases, and use for all of valid form', () => {
  expect(cases.length).toBe(50)
  expect({ good: good.length, bad: bad.length }).toEqual({ good: 16, bad: 4 })
})

describe('form and kind of a key', () => {
  test.each(cases)('$id $desc', vector => {
    const key = fromBase64(vector.key)
    expect(keyKind(key)).toBe(KINDS[vector.kind])
    if (vector.expect.ok) assertValidKey(key)
    else expect(statusOfRefusal('other', () => assertValidKey(key))).toBe(vector.expect.status)
  })
})

describe('a good key', () => {
  test.each(good)('$id $desc is read', vector => {
    const bytes = fromBase64(vector.key)
    const isPublic = vector.kind === 2 || vector.kind === 4
    if (isPublic) {
      expect(decodeAnyPublicKey(bytes).toBytes()).toEqual(bytes)
      return
    }
    const privateKey = decodeAnyPrivateKey(bytes)
    if (privateKey.algorithm === 'RSA') {
      expect(privateKey.toBytes()).toEqual(bytes)
      expect(privateKey.toPublicKey().toBytes()).toEqual(partnerOf(vector).toBytes())
    } else {
      // A private key in the short form is written in the long one, as Themis writes.
      expect(decodePrivateKey(privateKey.toBytes()).curve).toBe(privateKey.curve)
    }
    const message = Uint8Array.of(1, 2, 3)
    expect(partnerOf(vector).verify(message, privateKey.sign(message))).toBe(true)
  })
})

describe('bad key material in a container of valid form', () => {
  test.each(bad)('$id $desc is refused on use', ({ key, use }) => {
    const verify = () => verifyMessage(decodeAnyPublicKey(fromBase64(key)), fromBase64(use?.message ?? ''))
    expect(statusOfRefusal('other', verify)).toBe(use?.expect.status)
  })
})

function partnerOf({ pair, kind }: KeyCase): AnyPublicKey {
  const partner = good.find(other => other.kind === kind + 1 && other.pair === pair) as KeyCase
  return decodeAnyPublicKey(fromBase64(partner.key))
}
