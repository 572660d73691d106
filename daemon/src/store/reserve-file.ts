import { open, rm } from 'node:fs/promises'
import type { Reserve } from './guarded.ts'

/** Written at once; small against any reserve, large against the cost of a write. */
const CHUNK_BYTES = 64 * 1_024

/** A file that only takes up space, mode 0600, so that a full disk has room for the recovery of the database. */
export class ReserveFile implements Reserve {
  readonly #path: string
  readonly #lengthBytes: number

  constructor(path: string, lengthBytes: number) {
    this.#path = path
    this.#lengthBytes = lengthBytes
  }

  async fill(): Promise<void> {
    const file = await open(this.#path, 'a', 0o600)
    try {
      const chunk = new Uint8Array(CHUNK_BYTES)
      // Written, not truncated to length: a hole in a file reserves nothing.
      for (let left = this.#lengthBytes - (await file.stat()).size; left > 0; ) {
        left -= (await file.write(chunk, 0, Math.min(left, CHUNK_BYTES))).bytesWritten
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}
