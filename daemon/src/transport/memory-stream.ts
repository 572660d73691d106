import type { Clock } from '../actor/clock.ts'
import type { ByteStream, NodeId, StreamEnd, StreamReader } from './port.ts'
import { ReaderFeed } from './reader-feed.ts'

/** From here on `write` asks its caller to wait. */
const UNSENT_MARK_BYTES = 256 * 1024
/** Bytes on their way in one direction; what is written beyond waits in the stream. */
const WINDOW_BYTES = 256 * 1024

export interface MemoryStreamDeps {
  readonly clock: Clock
  readonly nodeId: NodeId
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  /** How many of at most `lengthBytes` go out in the next chunk. */
  chunkBytes(lengthBytes: number): number
  /** Carries bytes to the other side and runs `arrive` with its stream there. */
  send(lengthBytes: number, arrive: (peer: MemoryStream) => void): void
  proven(): void
  /** The stream is over; called once, before its reader hears it. `reason` is there where the peer must be told. */
  over(reason: string | undefined): void
}

/** One side of a stream of a `MemoryNetwork`. */
export class MemoryStream implements ByteStream {
  readonly nodeId: NodeId
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  readonly #deps: MemoryStreamDeps
  readonly #feed: ReaderFeed
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #movingBytes = 0
  #needsDrained = false
  #isEnding = false
  #hasSentEnd = false
  #peerHasEnded = false

  constructor(deps: MemoryStreamDeps) {
    this.#deps = deps
    this.nodeId = deps.nodeId
    this.address = deps.address
    this.direction = deps.direction
    this.#feed = new ReaderFeed(deps.clock, () => this.reset('more came than an unread stream may hold'))
  }

  get unsentBytes(): number {
    return this.#unsentBytes
  }

  read(reader: StreamReader): void {
    this.#feed.read(reader)
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.#isEnding || this.#feed.isClosed) return false
    for (const part of parts) {
      if (part.byteLength === 0) continue
      this.#unsent.push(part)
      this.#unsentBytes += part.byteLength
    }
    this.#pump()
    this.#needsDrained ||= this.#unsentBytes >= UNSENT_MARK_BYTES
    return this.#unsentBytes < UNSENT_MARK_BYTES
  }

  proven(): void {
    this.#deps.proven()
  }

  end(): void {
    if (this.#isEnding || this.#feed.isClosed) return
    this.#isEnding = true
    this.#feed.during(() => this.#pump())
  }

  reset(reason: string): void {
    if (this.#feed.isClosed) return
    this.#feed.during(() => this.#over({ kind: 'reset', reason }, 'reset by the peer'))
  }

  /** The connection is gone. */
  lost(reason: string): void {
    if (!this.#feed.isClosed) this.#over({ kind: 'reset', reason }, undefined)
  }

  #pump(): void {
    while (this.#unsent.length > 0 && this.#movingBytes < WINDOW_BYTES) {
      const part = this.#unsent[0] as Uint8Array
      const length = this.#deps.chunkBytes(Math.min(part.byteLength, WINDOW_BYTES - this.#movingBytes))
      if (length === part.byteLength) this.#unsent.shift()
      else this.#unsent[0] = part.subarray(length)
      this.#unsentBytes -= length
      this.#movingBytes += length
      this.#deps.send(length, peer => {
        this.#moved(length)
        peer.#feed.data(part.subarray(0, length))
      })
    }
    if (!this.#isEnding || this.#hasSentEnd || this.#unsent.length > 0) return
    this.#hasSentEnd = true
    this.#deps.send(0, peer => peer.#ended())
    this.#finishIfWhole()
  }

  #moved(length: number): void {
    this.#movingBytes -= length
    if (this.#feed.isClosed) return
    this.#pump()
    if (!this.#needsDrained || this.#isEnding || this.#unsentBytes >= UNSENT_MARK_BYTES) return
    this.#needsDrained = false
    this.#feed.drained()
  }

  #ended(): void {
    if (this.#feed.isClosed) return
    this.#peerHasEnded = true
    this.#feed.ended()
    this.#finishIfWhole()
  }

  #finishIfWhole(): void {
    if (this.#hasSentEnd && this.#peerHasEnded) this.#over({ kind: 'closed', reason: 'both sides ended' }, undefined)
  }

  #over(end: StreamEnd, tellPeer: string | undefined): void {
    if (this.#feed.isClosed) return
    this.#unsent = []
    this.#unsentBytes = 0
    this.#deps.over(tellPeer)
    this.#feed.closed(end)
  }
}
