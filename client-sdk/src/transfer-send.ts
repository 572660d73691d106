import type { Clock } from './clock.ts'
import type { Result } from './contract/methods.ts'
import { ParleyError } from './errors.ts'
import type { Link } from './link.ts'
import { CHUNK_BYTES, hashOf, RunningHash } from './transfer-hash.ts'
import { isPassing, untilBack } from './transfer-retry.ts'

/** What is sent. It must not change on the way: the hash of the whole is checked at the end. */
export interface TransferSource {
  /** 1 to 255 bytes without slashes; a name to show, not a path. */
  readonly name: string
  readonly size: number
  /** `length` bytes from `position` on, all of them. */
  read(position: number, length: number): Promise<Uint8Array>
}

export interface SendFileOptions {
  /** 32 hexadecimal characters, of `newTransferId`: to go on with a file that another program began to send. A new one unless given. */
  readonly id?: string | undefined
  /** Pauses the transfer: the same ID goes on with it. */
  readonly signal?: AbortSignal | undefined
  /** What the receiving program has on its disk, of `size` bytes. */
  readonly onProgress?: ((position: number, size: number) => void) | undefined
}

export interface SentFile {
  readonly id: string
  /** Of the whole file, in hexadecimal. */
  readonly sha256: string
}

type Written = Promise<Result<'transfers.write'>>

/** Chunks on their way to the daemon. */
const IN_FLIGHT_COUNT_MAX = 8

/** Sends one file, over restarts of either daemon and every cut, until the receiver has it. */
export class FileSender {
  readonly #link: Link
  readonly #clock: Clock
  readonly #id: string
  readonly #peer: string
  readonly #source: TransferSource
  readonly #options: SendFileOptions
  readonly #total: RunningHash

  constructor(
    link: Link,
    clock: Clock,
    peer: string,
    source: TransferSource,
    options: SendFileOptions & { id: string }
  ) {
    this.#link = link
    this.#clock = clock
    this.#id = options.id
    this.#peer = peer
    this.#source = source
    this.#options = options
    this.#total = new RunningHash((position, length) => source.read(position, length))
  }

  async run(): Promise<SentFile> {
    const { signal } = this.#options
    for (;;) {
      try {
        await this.#offerAndSend()
        return { id: this.#id, sha256: this.#total.hex() }
      } catch (error) {
        if (signal?.aborted || !isPassing(error)) {
          await this.#leave()
          throw error
        }
      }
      await untilBack(this.#link, this.#clock, signal)
    }
  }

  async #offerAndSend(): Promise<void> {
    const { name, size } = this.#source
    const { signal } = this.#options
    const offer = { peer: this.#peer, name, size, transfer: this.#id }
    const { state } = await this.#link.call('transfers.offer', offer, signal)
    for (let position = 0; state !== 'done'; ) {
      try {
        await this.#sendFrom(position)
        return
      } catch (error) {
        const elsewhere = elsewhereOf(error)
        if (elsewhere === undefined) throw error
        position = elsewhere
      }
    }
    await this.#total.catchUp(size, signal)
  }

  /** Sends everything from `position` on, and its end. @throws {ParleyError} `TRANSFER_POSITION` where the receiver goes on elsewhere */
  async #sendFrom(start: number): Promise<void> {
    const { size } = this.#source
    const { signal } = this.#options
    this.#progress((await this.#write(start, [])).synced)
    const inFlight: Written[] = []
    try {
      for (let position = start; position < size; position += CHUNK_BYTES) {
        const chunk = await this.#source.read(position, Math.min(CHUNK_BYTES, size - position))
        await this.#total.take(position, chunk, signal)
        const written = this.#write(position, [chunk])
        // Those behind one that fails are told of by it.
        written.catch(() => undefined)
        inFlight.push(written)
        if (inFlight.length >= IN_FLIGHT_COUNT_MAX) this.#progress((await (inFlight.shift() as Written)).synced)
      }
      while (inFlight.length > 0) this.#progress((await (inFlight.shift() as Written)).synced)
      await this.#total.catchUp(size, signal)
      await this.#link.call('transfers.finish', { transfer: this.#id, sha256: this.#total.hex() }, signal)
      this.#progress(size)
    } finally {
      await Promise.allSettled(inFlight)
    }
  }

  #write(position: number, chunks: readonly Uint8Array[]): Written {
    const params = { transfer: this.#id, position, chunks, hashes: chunks.map(hashOf) }
    return this.#link.call('transfers.write', params, this.#options.signal)
  }

  #progress(position: number): void {
    this.#options.onProgress?.(position, this.#source.size)
  }

  /** The receiver hears that this program is gone, although its connection may stay. */
  async #leave(): Promise<void> {
    // A daemon that is away has noticed by then; one that has no such transfer needs no word.
    await this.#link.call('transfers.pause', { transfer: this.#id }).catch(() => undefined)
  }
}

function elsewhereOf(error: unknown): number | undefined {
  if (!(error instanceof ParleyError) || error.code !== 'TRANSFER_POSITION') return undefined
  const { position } = error.data
  return typeof position === 'number' ? position : undefined
}
