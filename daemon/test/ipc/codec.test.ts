import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertPlain, decodeMessage, type Encoding, encodeMessage, fromBase64 } from '../../src/ipc/codec.ts'

const json = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const PARSE_ERROR = expect.objectContaining({ code: 'PARSE_ERROR' })

describe('both encodings', () => {
  const REFUSED: readonly (readonly [string, Uint8Array, Uint8Array])[] = [
    ['a key twice', json('{"a":1,"b":2,"a":3}'), hex('a3616101616202616103')],
    ['a key twice, one of them escaped', json('{"a":1,"\\u0061":3}'), hex('a2616101616103')],
    ['a key twice, far inside', json('{"x":[{"a":1,"a":1}]}'), hex('a1617881a2616101616101')],
    ['a float', json('1.5'), hex('f93e00')],
    ['a whole number written as a float', json('1.0'), hex('f93c00')],
    ['a number with an exponent', json('1e3'), encode(1.5e300)],
    ['minus zero', json('-0'), hex('f98000')],
    ['an integer that is not safe', json('9007199254740993'), hex('1b0020000000000001')],
    ['a negative integer that is not safe', json('-9007199254740993'), hex('3b0020000000000000')],
    ['a lone surrogate', json('"\\ud800"'), hex('63eda080')],
    ['a lone surrogate in a key', json('{"\\udc00":1}'), hex('a163edb08001')],
    ['ill-formed UTF-8', hex('22fffe22'), hex('62fffe')],
    ['something after the message', json('{} {}'), hex('a0a0')],
    ['a message cut short', json('{"a":'), hex('a16161')],
    ['nothing', json(''), hex('')],
    ['17 levels', json(`${'['.repeat(17)}${']'.repeat(17)}`), hex(`${'81'.repeat(17)}01`)],
    ['a million levels', json('['.repeat(1_000_000)), new Uint8Array(1_000_000).fill(0x81)],
    ['more than 65,536 items', json(`[${'1,'.repeat(70_000)}1]`), encode(new Array(70_000).fill(1))]
  ]

  it.each(REFUSED)('refuse %s', (_case, asJson, asCbor) => {
    expect(() => decodeMessage('json', asJson)).toThrow(PARSE_ERROR)
    expect(() => decodeMessage('cbor', asCbor)).toThrow(PARSE_ERROR)
  })

  const REFUSED_CBOR: readonly (readonly [string, string])[] = [
    ['undefined', 'f7'],
    ['undefined as a member', 'a16161f7'],
    ['a tag', 'c101'],
    ['a bignum', 'c249010000000000000000'],
    ['NaN', 'f97e00'],
    ['an infinity', 'f97c00'],
    ['an indefinite length', '9f01ff'],
    ['an integer longer than it needs to be', '1801'],
    ['a key that is no text', 'a10102'],
    ['a length beyond the message', '5b000000ffffffffff'],
    ['an array longer than the message', '9a00ffffff01']
  ]

  it.each(REFUSED_CBOR)('know that CBOR has %s, and refuse it', (_case, bytes) => {
    expect(() => decodeMessage('cbor', hex(bytes))).toThrow(PARSE_ERROR)
  })

  it('refuse a byte order mark in JSON', () => {
    expect(() => decodeMessage('json', hex('efbbbf7b7d'))).toThrow(PARSE_ERROR)
  })

  it('take 16 levels, and many things side by side', () => {
    const deep = json('['.repeat(16) + ']'.repeat(16))
    expect(encodeMessage('json', decodeMessage('json', deep) as object)).toEqual(deep)
    const wide = Array.from({ length: 1_000 }, (_, n) => ({ a: [n], b: {} }))
    for (const encoding of ['json', 'cbor'] as const) {
      expect(decodeMessage(encoding, encodeMessage(encoding, wide))).toEqual(wide)
    }
  })

  it('carry the same values, whatever they are', () => {
    const text = fc.string({ unit: 'binary' })
    const leaf = fc.oneof(text, fc.maxSafeInteger(), fc.boolean(), fc.constant(null))
    const { value } = fc.letrec(tie => ({
      value: fc.oneof(
        { maxDepth: 6 },
        leaf,
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(text, tie('value'), { maxKeys: 5, noNullPrototype: true })
      )
    }))
    fc.assert(
      fc.property(value, message => {
        const known = Object.is(message, -0) ? 0 : message
        for (const encoding of ['json', 'cbor'] as const) {
          expect(decodeMessage(encoding, encodeMessage(encoding, { known } as object))).toEqual({ known })
        }
      })
    )
  })

  it('throw nothing but PARSE_ERROR, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom<Encoding>('json', 'cbor'), (bytes, encoding) => {
        try {
          decodeMessage(encoding, bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'PARSE_ERROR' })
        }
      }),
      { numRuns: 2_000 }
    )
  })

  it('do not mistake a key for the prototype', () => {
    for (const [encoding, bytes] of [
      ['json', json('{"__proto__":{"a":1}}')],
      ['cbor', hex('a1695f5f70726f746f5f5fa1616101')]
    ] as const) {
      const value = decodeMessage(encoding, bytes) as { a?: number }
      expect(value.a).toBeUndefined()
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    }
  })
})

describe('bytes', () => {
  const whole = new Uint8Array([0, 1, 2, 3, 255])

  it('are bytes in CBOR and base64 in JSON, also as a Buffer or a view', () => {
    for (const body of [whole.subarray(1, 4), Buffer.from([1, 2, 3])]) {
      expect(decodeMessage('cbor', encodeMessage('cbor', { body }))).toEqual({ body: new Uint8Array([1, 2, 3]) })
      expect(decodeMessage('json', encodeMessage('json', { body }))).toEqual({ body: 'AQID' })
    }
  })

  it('are copies, so that a small body does not keep a large message alive', () => {
    for (const message of [
      encodeMessage('cbor', { body: whole }),
      Buffer.from(encodeMessage('cbor', { body: whole }))
    ]) {
      const { body } = decodeMessage('cbor', message) as { body: Uint8Array }
      expect([body.constructor, body.buffer.byteLength]).toEqual([Uint8Array, 5])
    }
  })

  it('decode from canonical base64 only', () => {
    expect(fromBase64('AQID')).toEqual(new Uint8Array([1, 2, 3]))
    expect(fromBase64('')).toEqual(new Uint8Array(0))
    expect(fromBase64('AQ==')).toEqual(new Uint8Array([1]))
    for (const text of ['AQ', 'AQ=', 'AR==', 'AQI D', 'AQID\n', '-_-_', 'A', '===='])
      expect(fromBase64(text)).toBeUndefined()
  })
})

describe('what is written', () => {
  it('has no member that is undefined', () => {
    expect(decodeMessage('cbor', encodeMessage('cbor', { a: undefined, b: 1 }))).toEqual({ b: 1 })
    expect(decodeMessage('json', encodeMessage('json', { a: undefined, b: 1 }))).toEqual({ b: 1 })
  })

  it.each([
    ['a float', 1.5],
    ['NaN', Number.NaN],
    ['minus zero', -0],
    ['a bigint', 1n],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['ill-formed text', '\ud800'],
    ['undefined in a list', [undefined]],
    ['a function', () => 1]
  ])('is refused before it is written when it has %s', (_case, value) => {
    expect(() => assertPlain({ list: [{ value }] })).toThrow(TypeError)
  })
})
