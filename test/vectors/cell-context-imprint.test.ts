import { decryptContextImprint, encryptContextImprint, themisStatus } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import {
  type Expectation,
  fromBase64,
  type GeneratedMessage,
  loadVectors,
  messageBytes,
  toBase64,
  type VectorCase
} from './load.ts'

interface ImprintCase extends VectorCase {
  readonly key: string
  readonly context: string | null
  readonly message: GeneratedMessage | null
  readonly data: string
  readonly decrypt_only?: boolean
  readonly expect: Expectation
}

const { cases } = loadVectors<ImprintCase>('cell-context-imprint.json')

test('all cases are there, and are no matter of opinion', () => {
  expect(cases.length).toBe(24)
  expect(cases.every(({ policy }) => policy === 'must')).toBe(true)
})

describe('Secure Cell, Context Imprint', () => {
  test.each(cases)('$id $desc', vector => {
    const [key, context] = [fromBase64(vector.key), fromBase64(vector.context ?? '')]
    const decrypt = () => decryptContextImprint(key, fromBase64(vector.data), context)
    if (!vector.expect.ok) {
      // An empty key or context is a wrong call, empty data a wrong message: the number is the same.
      expect(statusOfError(decrypt)).toBe(vector.expect.status)
      return
    }
    const message = messageBytes(vector.message as GeneratedMessage)
    expect(decrypt()).toEqual(message)
    if (vector.decrypt_only !== true) expect(toBase64(encryptContextImprint(key, message, context))).toBe(vector.data)
  })
})

function statusOfError(run: () => unknown): number | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return themisStatus(error)
  }
}
