import { decodeAnyPrivateKey, decodeAnyPublicKey, signMessage, verifyMessage } from '@parley/protocol'
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

const { cases } = loadVectors<SignCase>('message-sign.json')

test('all cases are there', () => {
  expect(cases.length).toBe(63)
})

describe('signed messages', () => {
  test.each(cases)('$id $desc', vector => {
    const verify = () => verifyMessage(decodeAnyPublicKey(fromBase64(vector.public)), fromBase64(vector.signed))
    if (!shouldSucceed(vector.policy, vector.expect)) {
      expect(statusOfRefusal('other', verify)).toBe(vector.policy === 'any' ? 12 : vector.expect.status)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(verify()).toEqual(message)
    if (vector.private === null) return
    const own = signMessage(decodeAnyPrivateKey(fromBase64(vector.private)), message)
    expect(verifyMessage(decodeAnyPublicKey(fromBase64(vector.public)), own)).toEqual(message)
  })
})
