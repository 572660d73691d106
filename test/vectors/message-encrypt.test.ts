import { randomBytes } from 'node:crypto'
import { decodeAnyPrivateKey, decodeAnyPublicKey, decryptMessage, encryptMessage } from '@parley/protocol'
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

interface EncryptCase extends VectorCase {
  readonly receiver_private: string
  readonly sender_public: string
  readonly encrypted: string
  readonly message: GeneratedMessage | null
  readonly expect: Expectation
}

const { cases } = loadVectors<EncryptCase>('message-encrypt.json')

test('all cases are there', () => {
  expect(cases.length).toBe(61)
})

describe('encrypted messages', () => {
  test.each(cases)('$id $desc', vector => {
    const keys = () =>
      [
        decodeAnyPrivateKey(fromBase64(vector.receiver_private)),
        decodeAnyPublicKey(fromBase64(vector.sender_public))
      ] as const
    const decrypt = () => decryptMessage(...keys(), fromBase64(vector.encrypted))
    if (!shouldSucceed(vector.policy, vector.expect)) {
      expect(statusOfRefusal('other', decrypt)).toBe(vector.expect.status)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(decrypt()).toEqual(message)
    // To the sender of the vector nothing can be sent back without its private key: the receiver writes to itself.
    const [receiver] = keys()
    const own = encryptMessage(receiver, receiver.toPublicKey(), message, randomBytes)
    expect(decryptMessage(receiver, receiver.toPublicKey(), own)).toEqual(message)
  })
})
