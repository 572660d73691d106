import { DaemonError } from '../errors.ts'

/** A frame up to this size gets its buffer at once; a longer one as its bytes come, so that a length alone costs nothing. */
const EAGER_BUFFER_BYTES_MAX = 64 * 1024
/** Enough for 2^28 - 1, which is more than any frame. */
const HEADER_BYTES_MAX = 4

/**
 * The unsigned varint that stands before a frame of `lengthBytes` (0 to 2^28 - 1).
 *
 * @see https://github.com/multiformats/unsigned-varint
 */
export function frameHeader(lengthBytes: number): Uint8Array {
  if (!Number.isInteger(lengthBytes) || lengthBytes < 0 || lengthBytes >= 2 ** (7 * HEADER_BYTES_MAX)) {
    throw new RangeError(`${lengthBytes} is no frame length`)
  }
  const header: number[] = []
  let rest = lengthBytes
  while (rest >= 0x80) {
    header.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  header.push(rest)
  return Uint8Array.from(header)
}

/** One frame whose content is `parts` in order, as a list for `ByteStream.write`. Nothing is copied. */
export function frameParts(parts: readonly Uint8Array[]): Uint8Array[] {
  let lengthBytes = 0
  for (const part of parts) lengthBytes += part.byteLength
  return [frameHeader(lengthBytes), ...parts]
}

/**
 * Cuts a stream of bytes into frames.
 *
 * A frame that lies in one chunk is a view on it; one that does not is copied once into a buffer of its own. Either way the
 * receiver of the frame owns it. At most one frame is buffered, and never more than about twice what has come of it.
 */
export class FrameReader {
  readonly #onFrame: (frame: Uint8Array) => void
  #frameBytesMax: number
  #isStopped = false
  #headerBytes = 0
  #length = 0
  /** The part of a frame that has come, where it has not come whole. */
  #partial: Uint8Array | undefined
  #partialBytes = 0

  /** `onFrame` may call `limit` and `stop`, and they hold from the next frame on, also within the chunk that is being read. */
  constructor(onFrame: (frame: Uint8Array) => void, frameBytesMax: number) {
    this.#onFrame = onFrame
    this.#frameBytesMax = frameBytesMax
  }

  /** Sets the longest frame that is taken from the next header on. */
  limit(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax
  }

  /** Drops what is buffered and ignores what still comes. */
  stop(): void {
    this.#isStopped = true
    this.#partial = undefined
  }

  /** Whether the bytes so far end in the middle of a frame. */
  get isMidFrame(): boolean {
    return this.#headerBytes > 0 || this.#partial !== undefined
  }

  /**
   * Takes the next bytes and calls `onFrame` for each frame that is whole. The reader keeps no reference to a chunk but through frames.
   *
   * @throws {DaemonError} `FRAME_TOO_LARGE` at the header of a frame over the limit, before its content is buffered, or of one whose
   * length is written in more bytes than it needs. The reader is stopped then.
   */
  push(chunk: Uint8Array): void {
    let at = 0
    while (!this.#isStopped) {
      if (this.#partial !== undefined) {
        at += this.#fill(chunk, at)
        if (this.#partial !== undefined) return
        continue
      }
      const contentAt = this.#readHeader(chunk, at)
      if (contentAt === undefined) return
      at = contentAt
      const endAt = at + this.#length
      if (endAt <= chunk.byteLength) {
        this.#onFrame(chunk.subarray(at, endAt))
        at = endAt
      } else {
        this.#partial = new Uint8Array(Math.min(this.#length, EAGER_BUFFER_BYTES_MAX))
        this.#partialBytes = 0
      }
    }
  }

  /** Reads a header that may be split over chunks. Returns where the content starts, or nothing when the header is not whole. */
  #readHeader(chunk: Uint8Array, from: number): number | undefined {
    let at = from
    while (at < chunk.byteLength) {
      const byte = chunk[at++] as number
      if (this.#headerBytes === 0) this.#length = 0
      this.#length |= (byte & 0x7f) << (7 * this.#headerBytes)
      this.#headerBytes += 1
      if (byte >= 0x80) {
        if (this.#headerBytes === HEADER_BYTES_MAX) throw this.#refused('a frame length over 4 bytes')
        continue
      }
      if (byte === 0 && this.#headerBytes > 1) throw this.#refused('a frame length that is not minimal')
      if (this.#length > this.#frameBytesMax) {
        throw this.#refused(`a frame of ${this.#length} bytes where ${this.#frameBytesMax} are allowed`)
      }
      this.#headerBytes = 0
      return at
    }
    return undefined
  }

  /** Moves bytes of `chunk` into the partial frame, and hands it on when it is whole. Returns how many bytes it took. */
  #fill(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#length - this.#partialBytes, chunk.byteLength - at)
    const partial = this.#roomFor(this.#partialBytes + taken)
    partial.set(chunk.subarray(at, at + taken), this.#partialBytes)
    this.#partialBytes += taken
    if (this.#partialBytes === this.#length) {
      this.#partial = undefined
      this.#onFrame(partial)
    }
    return taken
  }

  #roomFor(bytes: number): Uint8Array {
    const partial = this.#partial as Uint8Array
    if (bytes <= partial.byteLength) return partial
    const larger = new Uint8Array(Math.min(this.#length, Math.max(bytes, 2 * partial.byteLength)))
    larger.set(partial.subarray(0, this.#partialBytes))
    this.#partial = larger
    return larger
  }

  #refused(what: string): DaemonError {
    this.stop()
    return new DaemonError('FRAME_TOO_LARGE', `The peer sent ${what}.`)
  }
}
