import { concatBytes, plainBytes, readU32be, writeU32be } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'

const PREFIX_BYTES = 4
/** A frame gets a buffer of this size at once, and more as its bytes come, so that a length alone costs nothing. */
const EAGER_BUFFER_BYTES_MAX = 64 * 1024

/** How messages are told apart on a stream that keeps bytes and not messages. */
export interface Framing {
  /** Turns one message into what is written. */
  encode(message: Uint8Array): Uint8Array
  /**
   * Turns what is read, however it was cut, into messages.
   *
   * @param chunks - ended by its owner: a decoder that is left need not do it
   * @param bytesMax - asked before each message: the longest that may come
   */
  decode(chunks: AsyncIterable<Uint8Array>, bytesMax: () => number): AsyncIterable<Uint8Array>
}

/**
 * Each message behind its length as `u32be`. A length over the limit is refused before anything is buffered for it, and so
 * is a stream that ends within a frame.
 *
 * Throws `ProtocolError` `INVALID_MESSAGE`, `TRANSPORT_FAILED`.
 */
export const lengthPrefixed: Framing = {
  encode(message) {
    const prefix = new Uint8Array(PREFIX_BYTES)
    writeU32be(prefix, 0, message.length)
    return concatBytes(prefix, message)
  },
  async *decode(chunks, bytesMax) {
    const reader = new ChunkReader(chunks)
    for (;;) {
      const prefix = await reader.read(PREFIX_BYTES)
      if (prefix === undefined) return
      const length = readU32be(prefix, 0)
      if (length > bytesMax()) throw new ProtocolError('INVALID_MESSAGE', 'length of a frame')
      const message = await reader.read(length)
      if (message === undefined) throw new ProtocolError('TRANSPORT_FAILED', 'the stream ended within a frame')
      yield message
    }
  }
}

/** Reads exact lengths from chunks of any length. */
class ChunkReader {
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]()
  }

  /**
   * Gives the next `length` bytes: a view of a chunk that holds them all, or else a buffer of their own. `undefined` where the
   * stream ends before the first of them.
   */
  async read(length: number): Promise<Uint8Array | undefined> {
    if (this.#chunk.length - this.#at >= length) return this.#take(length)
    let bytes: Uint8Array = new Uint8Array(Math.min(length, EAGER_BUFFER_BYTES_MAX))
    let have = 0
    for (;;) {
      const part = this.#take(Math.min(length - have, this.#chunk.length - this.#at))
      if (have + part.length > bytes.length) bytes = enlarged(bytes, have + part.length, length)
      bytes.set(part, have)
      have += part.length
      if (have === length) return bytes
      const next = await this.#iterator.next()
      if (next.done === true) {
        if (have === 0) return undefined
        throw new ProtocolError('TRANSPORT_FAILED', 'the stream ended within a frame')
      }
      this.#chunk = plainBytes(next.value)
      this.#at = 0
    }
  }

  #take(length: number): Uint8Array {
    this.#at += length
    return this.#chunk.subarray(this.#at - length, this.#at)
  }
}

/** A copy with room for `needed` bytes at least, and no more than doubled, so that what is held is in proportion to what came. */
function enlarged(bytes: Uint8Array, needed: number, limit: number): Uint8Array {
  const larger = new Uint8Array(Math.min(limit, Math.max(needed, 2 * bytes.length)))
  larger.set(bytes)
  return larger
}
