import { isUtf8 } from 'node:buffer'
import { decode, encode, type Token, Tokenizer, Type } from 'cborg'
import { DaemonError } from '../errors.ts'
import { assertStrictJson } from './json-scan.ts'

export type Encoding = 'cbor' | 'json'

/** Levels of arrays and maps in one message. */
const DEPTH_MAX = 16
/** Items of one message: what is small on the wire must not be large in memory. */
const ITEM_COUNT_MAX = 65_536

const DECODE = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  allowNaN: false,
  allowInfinity: false,
  rejectDuplicateMapKeys: true,
  retainStringBytes: true
} as const
const ENCODE = { ignoreUndefinedProperties: true } as const

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one message: the same values in both encodings, but that bytes are base64 text in JSON. Refuses duplicate keys, floats, undefined,
 * integers that are not safe, ill-formed text, tags, more than 16 levels and more than 65,536 items. Bytes are copies.
 *
 * @throws {DaemonError} `PARSE_ERROR`
 */
export function decodeMessage(encoding: Encoding, data: Uint8Array): unknown {
  try {
    if (encoding === 'cbor') {
      // Of a Buffer the decoder would hand out views, which keep the whole message alive.
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length)
      return decode(bytes, { ...DECODE, tokenizer: new StrictTokenizer(bytes, DECODE) })
    }
    const text = utf8.decode(data)
    assertStrictJson(text, DEPTH_MAX, ITEM_COUNT_MAX)
    return JSON.parse(text)
  } catch (cause) {
    throw new DaemonError('PARSE_ERROR', `the message is not strict ${encoding === 'cbor' ? 'CBOR' : 'JSON'}`, {
      cause
    })
  }
}

/** Writes one message. Members that are undefined are left out. The caller checks what is not its own with `assertPlain`. */
export function encodeMessage(encoding: Encoding, message: object): Uint8Array {
  if (encoding === 'cbor') return encode(message, ENCODE)
  return new TextEncoder().encode(JSON.stringify(message, bytesAsBase64))
}

/**
 * @throws {TypeError} where `value` has what one of the encodings cannot carry or a client would refuse: floats, bigints, dates, ill-formed
 * text. Undefined passes as a member, which is then left out.
 */
export function assertPlain(value: unknown, path = 'result'): void {
  if (typeof value === 'boolean' || value === null || value instanceof Uint8Array) return
  if (typeof value === 'string' && value.isWellFormed()) return
  if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)) return
  if (Array.isArray(value)) {
    for (const item of value) assertPlain(item, path)
    return
  }
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [name, member] of Object.entries(value)) {
      if (member !== undefined) assertPlain(member, `${path}.${name}`)
    }
    return
  }
  throw new TypeError(`${path} is of a kind that no message carries`)
}

/** Bytes of canonical base64 text with padding, or undefined. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) return undefined
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function bytesAsBase64(this: Record<string, unknown>, key: string, value: unknown): unknown {
  // A Buffer has become something else by its toJSON when it arrives as `value`.
  const original = this[key]
  if (!(original instanceof Uint8Array)) return value
  return Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString('base64')
}

/** Refuses, before anything is built from it, what the decoder's options leave open. */
class StrictTokenizer extends Tokenizer {
  /** Items that the arrays and maps around the innermost one still wait for. */
  readonly #outer: number[] = []
  /** The same for the innermost. */
  #left = 1
  #itemCount = 0

  override next(): Token {
    const token = super.next()
    const type = token.type
    if (++this.#itemCount > ITEM_COUNT_MAX) throw new SyntaxError('too many items')
    // What is complete takes no level any more.
    while (this.#left === 0 && this.#outer.length > 0) this.#left = this.#outer.pop() as number
    this.#left--
    // Bodies are most of what comes.
    if (type === Type.bytes) return token
    if (type === Type.string) {
      if (token.byteValue !== undefined && !isUtf8(token.byteValue)) throw new SyntaxError('ill-formed text')
    } else if (type === Type.float) throw new SyntaxError('a float')
    else if (type === Type.tag) throw new SyntaxError('a tag')
    else if (type === Type.array) this.#enter(token.value)
    else if (type === Type.map) this.#enter(token.value * 2)
    return token
  }

  #enter(itemCount: number): void {
    if (this.#outer.length === DEPTH_MAX) throw new SyntaxError('nested too deep')
    this.#outer.push(this.#left)
    this.#left = itemCount
  }
}
