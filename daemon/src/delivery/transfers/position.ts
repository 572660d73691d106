import { PeerFault } from '../../peer/fault.ts'
import type { Accept } from './frames.ts'

/** Every chunk has this size, but for the last one of a file. */
export const CHUNK_BYTES: number = 256 * 1024
export const HASH_BYTES = 32

/** The length of the chunk that starts at `position`; 0 at the end. */
export function chunkBytesAt(position: number, size: number): number {
  return Math.min(CHUNK_BYTES, size - position)
}

/** Whether a chunk starts at `position`, or the file ends there. */
export function isChunkStart(position: number, size: number): boolean {
  return position === size || (position >= 0 && position < size && position % CHUNK_BYTES === 0)
}

/**
 * Where the sender of one file is on one stream. A round begins with each `accept` of the receiver, which says where to go on; what is said of
 * an older round is void.
 */
export class SendPosition {
  readonly #size: number
  #round = 0
  #next = 0
  #synced = 0
  #windowBytes = 0
  #isAccepted = false

  constructor(size: number) {
    this.#size = size
  }

  /** Whether chunks may flow: the receiver has accepted and has not paused since. */
  get isAccepted(): boolean {
    return this.#isAccepted
  }

  get round(): number {
    return this.#round
  }

  /** Where the next chunk must start. */
  get next(): number {
    return this.#next
  }

  /** What the receiving program says it has on its disk. */
  get synced(): number {
    return this.#synced
  }

  /** Whether the next chunk fits into what the receiver holds for its program. */
  get hasRoom(): boolean {
    return this.#isAccepted && this.#next + chunkBytesAt(this.#next, this.#size) <= this.#synced + this.#windowBytes
  }

  /** @throws {PeerFault} `PROTOCOL_VIOLATION` for a round that is not newer, a place where no chunk starts, or a window without room for a chunk */
  accepted({ round, position, synced, window }: Accept): void {
    if (round <= this.#round) throw violation('a round that is not newer')
    if (!isChunkStart(position, this.#size) || !isChunkStart(synced, this.#size) || synced > position) {
      throw violation('a position where no chunk starts')
    }
    if (window < CHUNK_BYTES) throw violation('a window without room')
    this.#round = round
    this.#next = position
    this.#synced = synced
    this.#windowBytes = window
    this.#isAccepted = true
  }

  /** @throws {PeerFault} `PROTOCOL_VIOLATION` for a position that falls, was not sent, or where no chunk starts */
  syncedTo(round: number, position: number): void {
    if (round !== this.#round) {
      if (round > this.#round) throw violation('a round that was not begun')
      return
    }
    if (!isChunkStart(position, this.#size) || position < this.#synced || position > this.#next) {
      throw violation('a position that was not sent')
    }
    this.#synced = position
  }

  /** The next chunk is sent. */
  sent(): void {
    this.#next += chunkBytesAt(this.#next, this.#size)
  }

  paused(): void {
    this.#isAccepted = false
  }
}

/** Where the receiver of one file is: what came in order, what its program took, and what the program says it has synced. */
export class ReceivePosition {
  readonly #size: number
  readonly #windowBytes: number
  #round = 0
  #next = 0
  #handed = 0
  #synced = 0

  constructor(size: number, windowBytes: number) {
    this.#size = size
    this.#windowBytes = windowBytes
  }

  get round(): number {
    return this.#round
  }

  /** Where the next chunk from the sender starts. */
  get next(): number {
    return this.#next
  }

  /** Where the next chunk for the program starts. */
  get handed(): number {
    return this.#handed
  }

  get synced(): number {
    return this.#synced
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  /** The program begins at `position`: what came before is void. */
  begin(position: number): void {
    if (!isChunkStart(position, this.#size)) throw new RangeError('no chunk starts there')
    this.#round++
    this.#next = position
    this.#handed = position
    this.#synced = position
  }

  /** A new stream goes on behind what has come. */
  goOn(): void {
    this.#round++
  }

  /**
   * Whether a chunk is to be kept; one of an older round is not.
   *
   * @throws {PeerFault} `PROTOCOL_VIOLATION` for another place or length than the next; `CREDIT_EXCEEDED` for what is beyond the window
   */
  take(round: number, position: number, lengthBytes: number): boolean {
    if (round !== this.#round) {
      if (round > this.#round) throw violation('a round that was not begun')
      return false
    }
    if (position !== this.#next || position >= this.#size) throw violation('a chunk at another place than the next')
    if (lengthBytes !== chunkBytesAt(position, this.#size)) throw violation('a chunk of another length')
    if (position + lengthBytes > this.#synced + this.#windowBytes) {
      throw new PeerFault('CREDIT_EXCEEDED', 'a chunk beyond the window')
    }
    this.#next += lengthBytes
    return true
  }

  /** The program took the next chunk. */
  hand(): void {
    this.#handed += chunkBytesAt(this.#handed, this.#size)
  }

  /** Whether the program may say that it has synced so much. */
  maySync(position: number): boolean {
    return isChunkStart(position, this.#size) && position >= this.#synced && position <= this.#handed
  }

  sync(position: number): void {
    if (!this.maySync(position)) throw new RangeError('that was not given to the program')
    this.#synced = position
  }
}

function violation(detail: string): PeerFault {
  return new PeerFault('PROTOCOL_VIOLATION', detail)
}
