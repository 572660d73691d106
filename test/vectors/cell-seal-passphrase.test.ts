import { decryptSealWithPassphrase, decryptSealWithPassphraseAsync, themisStatus } from '@parley/protocol'
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

interface PassphraseCase extends VectorCase {
  readonly passphrase: string
  readonly context: string | null
  readonly sealed: string
  readonly message: GeneratedMessage | null
  readonly expect: Expectation
}

/** Of what the reference is lenient about, the one case that we take: a low number of iterations is the writer's choice. */
const TAKEN = 'dev-pass-020'

const { cases } = loadVectors<PassphraseCase>('cell-seal-passphrase.json')

test('all cases are there', () => {
  expect(cases.length).toBe(55)
})

describe('Secure Cell, Seal with a passphrase', () => {
  test.each(cases)('$id $desc', async vector => {
    const open = [fromBase64(vector.passphrase), fromBase64(vector.sealed), fromBase64OrNull(vector.context)] as const
    if (vector.id !== TAKEN && !shouldSucceed(vector.policy, vector.expect)) {
      const expected = vector.policy === 'any' ? 11 : vector.expect.status
      expect(statusOfRefusal('other', () => decryptSealWithPassphrase(...open))).toBe(expected)
      expect(themisStatus(await decryptSealWithPassphraseAsync(...open).catch(error => error))).toBe(expected)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(await decryptSealWithPassphraseAsync(...open)).toEqual(message)
    if (message.length === 1) expect(decryptSealWithPassphrase(...open)).toEqual(message)
  })
})
