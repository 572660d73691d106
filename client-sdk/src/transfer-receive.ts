import type { Clock } from './clock.ts'
import type { Result } from './contract/methods.ts'
import type { TransferInfo } from './contract/types.ts'
import { ParleyError } from './errors.ts'
import type { Link } from './link.ts'
import { hashOf, RunningHash } from './transfer-hash.ts'
import { isPassing, untilBack } from './transfer-retry.ts'

/** Where a file goes. What a method throws pauses the transfer and ends the call; the file can be gone on with later. */
export interface TransferSink {
  /** What is there already, from the start and synced: a multiple of 262,144, or the size. */
  readonly position: number
  /** Reads back what is there: for the hash of the whole, where the sink did not begin at 0. */
  read(position: number, length: number): Promise<Uint8Array>
  write(position: number, bytes: Uint8Array): Promise<void>
  /** Resolves when everything that was written survives a power cut. */
  sync(): Promise<void>
  /** The file is whole, and its hash is the sender's. Called again where the sender may not have heard. */
  finish(sha256: string): Promise<void>
}

export interface ReceiveFileOptions {
  /** Pauses the transfer: it is offered again. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((position: number, size: number) => void) | undefined
}

export interface ReceivedFile {
  readonly sha256: string
  /** Whether the sender knows. Where not, it offers the file again when it is back, and is told then. */
  readonly confirmed: boolean
}

/** How long one read waits in the daemon. */
const READ_WAIT_MS = 30_000
/** How often a chunk with a wrong hash is asked for again. */
const CORRUPT_COUNT_MAX = 3

class CorruptChunk extends Error {}

/** Receives one file, over restarts of either daemon and every cut, until it is whole. */
export class FileReceiver {
  readonly #link: Link
  readonly #clock: Clock
  readonly #info: TransferInfo
  readonly #sink: TransferSink
  readonly #options: ReceiveFileOptions
  readonly #total: RunningHash
  #position: number
  #wasAccepted = false
  #corruptCount = 0

  constructor(link: Link, clock: Clock, info: TransferInfo, sink: TransferSink, options: ReceiveFileOptions) {
    this.#link = link
    this.#clock = clock
    this.#info = info
    this.#sink = sink
    this.#options = options
    this.#position = sink.position
    this.#total = new RunningHash((position, length) => sink.read(position, length))
  }

  async run(): Promise<ReceivedFile> {
    const { signal } = this.#options
    await this.#total.catchUp(this.#position, signal)
    for (;;) {
      try {
        return await this.#acceptAndRead()
      } catch (error) {
        const goesOn = error instanceof CorruptChunk || (isPassing(error) && this.#wasAccepted)
        if (signal?.aborted || !goesOn) {
          await this.#leave(error)
          throw error
        }
        if (error instanceof CorruptChunk) continue
      }
      await untilBack(this.#link, this.#clock, signal)
    }
  }

  async #acceptAndRead(): Promise<ReceivedFile> {
    const { transfer } = this.#info
    const { signal } = this.#options
    await this.#link.call(
      'transfers.accept',
      { transfer, position: this.#position, takeover: this.#wasAccepted },
      signal
    )
    this.#wasAccepted = true
    this.#progress()
    for (;;) {
      const params = { transfer, synced: this.#position, waitMs: READ_WAIT_MS }
      const read = await this.#link.call('transfers.read', params, signal)
      await this.#take(read)
      if (read.sha256 !== null) return await this.#finish(read.sha256)
    }
  }

  async #take({ position, chunks, hashes }: Result<'transfers.read'>): Promise<void> {
    if (chunks.length === 0) return
    if (position !== this.#position) throw new ParleyError('INTERNAL', 'The daemon went on at another position.')
    let at = position
    for (const [index, chunk] of chunks.entries()) {
      const hash = hashes[index]
      if (hash === undefined || Buffer.compare(hashOf(chunk), hash) !== 0) {
        await this.#synced(at)
        throw this.#corrupt()
      }
      await this.#sink.write(at, chunk)
      await this.#total.take(at, chunk, this.#options.signal)
      at += chunk.length
    }
    await this.#synced(at)
  }

  async #synced(position: number): Promise<void> {
    if (position === this.#position) return
    await this.#sink.sync()
    this.#position = position
    this.#corruptCount = 0
    this.#progress()
  }

  async #finish(sha256: string): Promise<ReceivedFile> {
    const { signal } = this.#options
    if (this.#total.hex() !== sha256) {
      throw new ParleyError('TRANSFER_CORRUPT', 'The file that arrived is not the one that was sent.')
    }
    await this.#sink.finish(sha256)
    const { confirmed } = await this.#link.call('transfers.finish', { transfer: this.#info.transfer, sha256 }, signal)
    return { sha256, confirmed }
  }

  #corrupt(): Error {
    if (++this.#corruptCount < CORRUPT_COUNT_MAX) return new CorruptChunk()
    return new ParleyError('TRANSFER_CORRUPT', 'A part of the file arrived wrong again and again.')
  }

  #progress(): void {
    this.#options.onProgress?.(this.#position, this.#info.size)
  }

  /** Ends the transfer where it cannot become right; else leaves it to be gone on with, although the connection may stay. */
  async #leave(error: unknown): Promise<void> {
    const { transfer } = this.#info
    const isCorrupt = error instanceof ParleyError && error.code === 'TRANSFER_CORRUPT'
    const left = isCorrupt
      ? this.#link.call('transfers.cancel', { transfer, code: 'CORRUPT', reason: error.message })
      : this.#link.call('transfers.pause', { transfer })
    // A daemon that is away has noticed by then; one that has no such transfer needs no word.
    await left.catch(() => undefined)
  }
}
