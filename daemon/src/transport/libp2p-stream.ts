import type { MultiaddrConnection, Stream, StreamCloseEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import type { Clock } from '../actor/clock.ts'
import type { ByteStream, NodeId, StreamEnd, StreamReader } from './port.ts'
import { ReaderFeed } from './reader-feed.ts'

/** From here on `write` asks its caller to wait. */
const UNSENT_MARK_BYTES = 256 * 1024

export interface Libp2pStreamDeps {
  readonly clock: Clock
  readonly nodeId: NodeId
  readonly address: string
  readonly stream: Stream
  /** The TCP connection below Noise, whose write buffer holds what the socket did not take. */
  readonly socket: MultiaddrConnection
  proven(): void
  /** Our own reset, before the stream is told: the owner may drop the whole connection. */
  resetting(reason: string): void
}

/**
 * A libp2p 3 stream as a `ByteStream`.
 *
 * Nothing is ever paused: libp2p resets a paused stream when its read buffer is full. What the peer may send is bounded by the
 * frames and the credit above.
 */
export class Libp2pStream implements ByteStream {
  readonly nodeId: NodeId
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  readonly #deps: Libp2pStreamDeps
  readonly #stream: Stream
  readonly #feed: ReaderFeed
  #isEnding = false
  #peerHasEnded = false
  #needsDrained = false
  /** Bytes handed down since the socket was last empty: this stream's share of the connection's buffer is no more. */
  #handedBytes = 0
  /** Set when the stream is over while bytes that came before still wait inside libp2p. */
  #endWhenRead: StreamEnd | undefined
  #resetReason: string | undefined
  #whenOver: (() => void) | undefined

  constructor(deps: Libp2pStreamDeps) {
    this.#deps = deps
    this.#stream = deps.stream
    this.nodeId = deps.nodeId
    this.address = deps.address
    this.direction = deps.stream.direction
    this.#feed = new ReaderFeed(deps.clock, () => this.reset('more came than an unread stream may hold'))
    this.#listen()
  }

  get unsentBytes(): number {
    const below = this.#deps.socket.writeBufferLength
    return this.#stream.writeBufferLength + Math.min(below, this.#handedBytes)
  }

  /** Calls `run` when the stream is over, before its reader hears it; at once where it is over already. */
  onOver(run: () => void): void {
    if (this.#isOver) run()
    else this.#whenOver = run
  }

  read(reader: StreamReader): void {
    this.#feed.read(reader)
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.#isEnding || this.#isOver) return false
    return this.#feed.during(() => {
      if (this.#deps.socket.writeBufferLength === 0 && this.#stream.writeBufferLength === 0) this.#handedBytes = 0
      const list = new Uint8ArrayList(...parts)
      this.#handedBytes += list.byteLength
      try {
        this.#stream.send(list)
      } catch {
        // The stream has aborted itself by then, and says so with its `close` event.
        return false
      }
      if (this.unsentBytes < UNSENT_MARK_BYTES) return true
      this.#needsDrained = true
      return false
    })
  }

  proven(): void {
    this.#deps.proven()
  }

  end(): void {
    if (this.#isEnding || this.#isOver) return
    this.#isEnding = true
    this.#feed.during(() => {
      this.#stream.close().catch((error: Error) => {
        if (this.#stream.status === 'open') this.#stream.abort(error)
      })
    })
  }

  reset(reason: string): void {
    if (this.#isOver) return
    this.#resetReason = reason
    this.#feed.during(() => {
      this.#deps.resetting(reason)
      this.#stream.abort(new Error(reason))
    })
  }

  get #isOver(): boolean {
    return this.#feed.isClosed || this.#endWhenRead !== undefined
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('message', event => {
      if (event.data instanceof Uint8Array) this.#feed.data(event.data)
      else for (const part of event.data) this.#feed.data(part)
    })
    stream.addEventListener('remoteCloseWrite', () => {
      this.#peerHasEnded = true
    })
    // Unlike `remoteCloseWrite`, `end` comes after the bytes that libp2p still held.
    stream.addEventListener('end', () => this.#readableOver())
    stream.addEventListener('drain', () => queueMicrotask(() => this.#checkDrained()))
    stream.addEventListener('idle', () => queueMicrotask(() => this.#checkDrained()))
    stream.addEventListener('close', event => this.#closed(event))
    // What happened before we could listen.
    this.#peerHasEnded = stream.remoteWriteStatus === 'closed' && stream.status === 'open'
    if (stream.status === 'open') {
      if (this.#peerHasEnded && stream.readableEnded) this.#readableOver()
    } else {
      this.#over({ kind: 'reset', reason: 'lost before it was read' })
    }
  }

  #readableOver(): void {
    if (this.#endWhenRead !== undefined) {
      const end = this.#endWhenRead
      if (this.#peerHasEnded) this.#feed.ended()
      this.#feed.closed(end)
    } else if (this.#peerHasEnded && this.#stream.status !== 'aborted' && this.#stream.status !== 'reset') {
      this.#feed.ended()
    }
  }

  #checkDrained(): void {
    if (!this.#needsDrained || this.#isOver || this.#isEnding || this.unsentBytes >= UNSENT_MARK_BYTES) return
    this.#needsDrained = false
    this.#feed.drained()
  }

  #closed(event: StreamCloseEvent): void {
    const end = this.#endOf(event)
    // Where the last bytes and the end came together, libp2p still holds those bytes for a moment.
    if (event.error === undefined && this.#stream.readBufferLength > 0) {
      this.#endWhenRead = end
      this.#whenOver?.()
    } else {
      this.#over(end)
    }
  }

  #over(end: StreamEnd): void {
    if (this.#feed.isClosed) return
    this.#whenOver?.()
    this.#feed.closed(end)
  }

  #endOf(event: StreamCloseEvent): StreamEnd {
    if (this.#resetReason !== undefined) return { kind: 'reset', reason: this.#resetReason }
    if (event.error !== undefined) {
      return { kind: 'reset', reason: event.local === true ? event.error.message : 'reset by the peer' }
    }
    // libp2p says `closed` as well when the connection was lost or the peer left without ending its streams.
    const isWhole = this.#isEnding && this.#peerHasEnded && this.#stream.writeBufferLength === 0
    if (isWhole && this.#deps.socket.status === 'open') return { kind: 'closed', reason: 'both sides ended' }
    return { kind: 'reset', reason: 'connection lost' }
  }
}
