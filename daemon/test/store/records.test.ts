import { inspect } from 'node:util'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { recordCodec } from '../../src/store/records.ts'

const schema = z.strictObject({
  name: z.string(),
  body: z.instanceof(Uint8Array),
  count: z.int(),
  note: z.string().optional()
})
const codec = recordCodec({ sublevel: 'peers', version: 3, schema })
const good = { name: 'bob', body: Uint8Array.of(1, 2), count: 7 }
const damaged = expect.objectContaining({ code: 'RECORD_DAMAGED', data: { sublevel: 'peers' } })

describe('recordCodec', () => {
  it('gives back what it encoded', () => {
    const record = fc.record(
      { name: fc.string(), body: fc.uint8Array(), count: fc.maxSafeInteger(), note: fc.string() },
      { requiredKeys: ['name', 'body', 'count'] }
    )
    fc.assert(
      fc.property(record, value => {
        expect(codec.decode(codec.encode(value))).toEqual(value)
      })
    )
  })

  it.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array()],
    ['bytes that are no CBOR', Uint8Array.of(0xff, 0xff)],
    ['a record cut short', codec.encode(good).subarray(0, -1)],
    ['a record with a byte behind it', Uint8Array.of(...codec.encode(good), 0)],
    ['another version', encode({ ...good, v: 4 })],
    ['no version', encode(good)],
    ['no map', encode([3])],
    ['null', encode(null)],
    ['a field too many', encode({ ...good, v: 3, more: 1 })],
    ['a field too few', encode({ name: 'bob', v: 3 })],
    ['a field of the wrong type', encode({ ...good, v: 3, count: '7' })],
    ['a prototype as a field', encode({ ...good, v: 3, ...JSON.parse('{"__proto__":{}}') })],
    ['a field twice', Uint8Array.of(0xa2, 0x61, 0x76, 3, 0x61, 0x76, 3)],
    ['an integer longer than needed', Uint8Array.of(0xa1, 0x61, 0x76, 0x18, 3)]
  ])('refuses %s', (_name, bytes) => {
    expect(() => codec.decode(bytes)).toThrow(damaged)
  })

  it('throws nothing else, whatever the bytes', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(change, fc.uint8Array({ maxLength: 30 }), ([at, by], noise) => {
        const flipped = codec.encode(good)
        const index = at % flipped.length
        flipped[index] = (flipped[index] as number) ^ by
        for (const bytes of [flipped, noise]) {
          try {
            codec.decode(bytes)
          } catch (error) {
            expect(error).toEqual(damaged)
          }
        }
      })
    )
  })

  it('shows nothing of the record in its error', () => {
    const bytes = encode({ name: 'sensitive name', body: Uint8Array.of(9), count: 'sensitive count', v: 3 })
    expect.assertions(2)
    try {
      codec.decode(bytes)
    } catch (error) {
      expect(error).toEqual(damaged)
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('sensitive')
    }
  })

  it('refuses to encode what it could not decode', () => {
    expect(() => codec.encode({ ...good, count: 1.5 })).toThrow()
  })
})
