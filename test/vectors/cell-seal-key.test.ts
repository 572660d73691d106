import { randomBytes } from 'node:crypto'
import { decryptSeal, encryptSeal } from '@parley/protocol'
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

interface SealCase extends VectorCase {
  readonly key: string
  readonly context: string | null
  readonly sealed: string
  readonly message: GeneratedMessage | null
  readonly expect: Expectation
}

const { cases } = loadVectors<SealCase>('cell-seal-key.json')

test('all cases are there', () => {
  expect(cases.length).toBe(63)
})

describe('Secure Cell, Seal with a key', () => {
  test.each(cases)('$id $desc', vector => {
    const key = fromBase64(vector.key)
    const context = fromBase64OrNull(vector.context)
    const decrypt = () => decryptSeal(key, fromBase64(vector.sealed), context)
    if (!shouldSucceed(vector.policy, vector.expect)) {
      expect(statusOfRefusal('other', decrypt)).toBe(vector.policy === 'any' ? 11 : vector.expect.status)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(decrypt()).toEqual(message)
    expect(decryptSeal(key, encryptSeal(key, message, randomBytes, context), context)).toEqual(message)
  })
})
