import { randomBytes } from 'node:crypto'
import { decryptTokenProtect, encryptTokenProtect } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import {
  type Expectation,
  fromBase64,
  fromBase64OrNull,
  type GeneratedMessage,
  loadVectors,
  messageBytes,
  shouldSucceed,
  statusOfRefusal,
  type VectorCase
} from './load.ts'

interface TokenCase extends VectorCase {
  readonly key: string
  readonly context: string | null
  readonly token: string
  readonly data: string
  readonly message: GeneratedMessage | null
  readonly expect: Expectation
}

const { cases } = loadVectors<TokenCase>('cell-token-protect.json')

test('all cases are there', () => {
  expect(cases.length).toBe(36)
})

describe('Secure Cell, Token Protect', () => {
  test.each(cases)('$id $desc', vector => {
    const key = fromBase64(vector.key)
    const context = fromBase64OrNull(vector.context)
    const protectedMessage = { token: fromBase64(vector.token), data: fromBase64(vector.data) }
    const decrypt = () => decryptTokenProtect(key, protectedMessage, context)
    if (!shouldSucceed(vector.policy, vector.expect)) {
      expect(statusOfRefusal('other', decrypt)).toBe(vector.policy === 'any' ? 11 : vector.expect.status)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(decrypt()).toEqual(message)
    expect(decryptTokenProtect(key, encryptTokenProtect(key, message, randomBytes, context), context)).toEqual(message)
  })
})
