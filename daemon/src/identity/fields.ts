import { Buffer } from 'node:buffer'

const LENGTH_BYTES = 4
const U64_BYTES = 8

/** Joins `parts` into new bytes. */
export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Whether two byte strings are the same. Not in constant time: for what is public. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Lower-case hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** `lp(x)`: the length of `bytes` as u32be, then `bytes`. */
export function lengthPrefixed(bytes: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(LENGTH_BYTES + bytes.length)
  new DataView(prefixed.buffer).setUint32(0, bytes.length)
  prefixed.set(bytes, LENGTH_BYTES)
  return prefixed
}

/** UTF-8 of `text`. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** A safe non-negative integer as u64be. */
export function u64Bytes(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('not a safe non-negative integer')
  const bytes = new Uint8Array(U64_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

/**
 * Reads length-prefixed fields one after the other, each within a bound that is checked before a byte is taken.
 *
 * Whatever does not fit is answered with the error that `malformed` makes, and with nothing else.
 */
export class FieldReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #malformed: () => Error
  #offset = 0

  /** @param bytes - kept, not copied; must not change while it is read */
  constructor(bytes: Uint8Array, malformed: () => Error) {
    // A Buffer's `slice` is a view: what is handed out must be copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#malformed = malformed
  }

  /** The next `lengthBytes` bytes, with no prefix, as a view. */
  raw(lengthBytes: number): Uint8Array {
    if (this.#bytes.length - this.#offset < lengthBytes) throw this.#malformed()
    const start = this.#offset
    this.#offset += lengthBytes
    return this.#bytes.subarray(start, this.#offset)
  }

  /** Demands exactly `expected` here, with no prefix. */
  expect(expected: Uint8Array): void {
    if (!sameBytes(this.raw(expected.length), expected)) throw this.#malformed()
  }

  /** The next field as a copy of `minBytes` to `maxBytes` bytes. */
  field(minBytes: number, maxBytes: number): Uint8Array {
    if (this.#bytes.length - this.#offset < LENGTH_BYTES) throw this.#malformed()
    const lengthBytes = this.#view.getUint32(this.#offset)
    if (lengthBytes < minBytes || lengthBytes > maxBytes) throw this.#malformed()
    this.#offset += LENGTH_BYTES
    return this.raw(lengthBytes).slice()
  }

  /** The next field as text in well-formed UTF-8, with no byte order mark taken away. */
  text(maxBytes: number): string {
    const bytes = this.field(0, maxBytes)
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      // The decoder's own error says where; a peer's bytes end in the one error of this reader.
      throw this.#malformed()
    }
  }

  /** The next field as u64be within the safe integers. */
  u64(): number {
    const bytes = this.field(U64_BYTES, U64_BYTES)
    const value = new DataView(bytes.buffer).getBigUint64(0)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#malformed()
    return Number(value)
  }

  /** Whether nothing is left. */
  get atEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** Demands that nothing is left. */
  end(): void {
    if (!this.atEnd) throw this.#malformed()
  }
}
