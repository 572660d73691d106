import { createHash } from 'node:crypto'

/** Every chunk of a file has this size, but for the last one. */
export const CHUNK_BYTES: number = 256 * 1024

/** SHA-256. */
export function hashOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** Reads `length` bytes from `position` on, all of them. */
export type ReadAt = (position: number, length: number) => Promise<Uint8Array>

/** The hash of a file from its start, that goes on as its chunks pass by; what passed before is read again where it is needed. */
export class RunningHash {
  readonly #hash = createHash('sha256')
  readonly #read: ReadAt
  #through = 0

  constructor(read: ReadAt) {
    this.#read = read
  }

  /** Takes the chunk at `position`, after what lies before it; one that was taken before is not taken again. */
  async take(position: number, chunk: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    await this.catchUp(position, signal)
    if (position < this.#through) return
    this.#hash.update(chunk)
    this.#through += chunk.length
  }

  /** Takes everything before `position`. */
  async catchUp(position: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#through < position) {
      signal?.throwIfAborted()
      const chunk = await this.#read(this.#through, Math.min(CHUNK_BYTES, position - this.#through))
      this.#hash.update(chunk)
      this.#through += chunk.length
    }
  }

  /** Of everything taken, in hexadecimal. */
  hex(): string {
    return this.#hash.copy().digest('hex')
  }
}
