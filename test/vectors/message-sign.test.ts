import { decodePrivateKey, decodePublicKey, keyKind, signMessage, verifyMessage } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import {
  type Expectation,
  fromBase64,
  type GeneratedMessage,
  loadVectors,
  messageBytes,
  shouldSucceed,
  statusOfRefusal,
  type VectorCase
} from './load.ts'

interface SignCase extends VectorCase {
  readonly public: string
  readonly private: string | null
  readonly signed: string
  readonly message: GeneratedMessage | null
  readonly expect: Expectation
}

const usesRsa = ({ public: key }: SignCase) => keyKind(fromBase64(key)).startsWith('rsa')

const { cases, leftOut } = loadVectors<SignCase>('message-sign.json', usesRsa)

test('only the cases with an RSA key are left out', () => {
  expect({ run: cases.length, leftOut: leftOut.length }).toEqual({ run: 35, leftOut: 28 })
})

describe('signed messages', () => {
  test.each(cases)('$id $desc', vector => {
    const verify = () => verifyMessage(decodePublicKey(fromBase64(vector.public)), fromBase64(vector.signed))
    if (!shouldSucceed(vector.policy, vector.expect)) {
      expect(statusOfRefusal('other', verify)).toBe(vector.policy === 'any' ? 12 : vector.expect.status)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(verify()).toEqual(message)
    if (vector.private === null) return
    const own = signMessage(decodePrivateKey(fromBase64(vector.private)), message)
    expect(verifyMessage(decodePublicKey(fromBase64(vector.public)), own)).toEqual(message)
  })
})
