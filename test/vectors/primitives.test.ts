import { describe, expect, test } from 'vitest'
import { decodeContainer, encodeContainer } from '../../protocol/src/soter/container.ts'
import { soterKdf } from '../../protocol/src/soter/kdf.ts'
import { fromBase64, loadVectors, toBase64, type VectorCase } from './load.ts'

interface KdfCase extends VectorCase {
  readonly kind: 'kdf'
  readonly key: string | null
  readonly label: string
  readonly context: readonly string[]
  readonly length: number
  readonly output?: string
}

interface ContainerCase extends VectorCase {
  readonly kind: 'container'
  readonly tag: string
  readonly payload: string
  readonly bytes: string
}

const { cases } = loadVectors<KdfCase | ContainerCase>('primitives.json')

test('all cases are there', () => {
  expect(cases.length).toBe(22)
})

describe('primitives', () => {
  test.each(cases)('$id $desc', vector => {
    if (vector.kind === 'container') {
      const container = encodeContainer(vector.tag, fromBase64(vector.payload))
      expect(toBase64(container)).toBe(vector.bytes)
      expect(toBase64(decodeContainer(container, vector.tag))).toBe(vector.payload)
      return
    }
    const key = vector.key === null ? undefined : fromBase64(vector.key)
    const derive = () => soterKdf(key, vector.label, vector.context.map(fromBase64), vector.length)
    if (vector.output === undefined) expect(derive).toThrow(RangeError)
    else expect(toBase64(derive())).toBe(vector.output)
  })
})
