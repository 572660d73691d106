/** Supplies `length` fresh random bytes, at once. The caller owns the result, may overwrite it, and refuses any other (`TypeError`). */
export type RandomBytes = (length: number) => Uint8Array

/**
 * Asks for random bytes and takes nothing else: too few, or a promise of some, would make a key that can be guessed.
 *
 * @throws {TypeError}
 */
export function drawBytes(randomBytes: RandomBytes, length: number): Uint8Array {
  const drawn = randomBytes(length)
  assertBytes(drawn, 'what the random source gives')
  if (drawn.length !== length) throw new TypeError('the random source gives another number of bytes')
  return drawn
}

/** Joins byte strings into a new buffer. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/**
 * Refuses what is not bytes: from JavaScript a text would otherwise count as bytes of another length.
 *
 * @throws {TypeError}
 */
export function assertBytes(value: unknown, name: string): asserts value is Uint8Array {
  // Not instanceof: bytes of another realm, as in a test runner, are bytes.
  if (Object.prototype.toString.call(value) !== '[object Uint8Array]')
    throw new TypeError(`${name} must be a Uint8Array`)
}

/** Overwrites a buffer with zeros. Best effort: copies made by the runtime are out of reach. */
export function wipeBytes(bytes: Uint8Array): void {
  bytes.fill(0)
}

/**
 * A plain `Uint8Array` over the same memory. What comes from outside passes through here or {@link copyBytes}, because
 * `slice` and `subarray` of subclasses do other things: `Buffer`'s `slice` does not copy.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A plain copy. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

// Plain indexing: a DataView for each integer, or a tuple of its bytes, costs more than the reading.

/** Reads an unsigned 32-bit big-endian integer. The caller has checked that four bytes are there. */
export function readU32be(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] as number) << 24) | ((bytes[offset + 1] as number) << 16)
  return (high | ((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number)) >>> 0
}

/** Reads an unsigned 32-bit little-endian integer. The caller has checked that four bytes are there. */
export function readU32le(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset + 3] as number) << 24) | ((bytes[offset + 2] as number) << 16)
  return (high | ((bytes[offset + 1] as number) << 8) | (bytes[offset] as number)) >>> 0
}

/** Writes an unsigned 32-bit big-endian integer. */
export function writeU32be(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

/** Writes an unsigned 32-bit little-endian integer. */
export function writeU32le(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
}

/** Reads an unsigned 64-bit big-endian integer; beyond 2^53 - 1 the result is `Number.MAX_SAFE_INTEGER`. */
export function readU64be(bytes: Uint8Array, offset: number): number {
  const value = readU32be(bytes, offset) * 2 ** 32 + readU32be(bytes, offset + 4)
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

/** Writes a safe non-negative integer as 64 bits big-endian. */
export function writeU64be(bytes: Uint8Array, offset: number, value: number): void {
  writeU32be(bytes, offset, Math.floor(value / 2 ** 32))
  writeU32be(bytes, offset + 4, value % 2 ** 32)
}

/**
 * Makes a {@link RandomBytes} that asks its source for `poolBytes` at a time, so that many small
 * requests cost one call. No byte is handed out twice; a request of more than half the pool goes to the
 * source directly.
 *
 * @param source - the real source, such as `node:crypto` `randomBytes`
 * @param poolBytes - size of one refill, in bytes
 */
export function poolRandomBytes(source: RandomBytes, poolBytes = 4096): RandomBytes {
  let pool: Uint8Array = new Uint8Array(0)
  let used = 0
  return length => {
    if (length * 2 > poolBytes) return drawBytes(source, length)
    if (used + length > pool.length) {
      const drawn = drawBytes(source, poolBytes)
      pool = copyBytes(drawn)
      wipeBytes(drawn)
      used = 0
    }
    used += length
    return pool.subarray(used - length, used)
  }
}
