import type { Clock } from '../actor/clock.ts'
import type { StreamEnd, StreamReader } from './port.ts'

/** Bytes kept for a stream that has no reader yet: as much as a peer may send before it hears from us. */
const EARLY_BYTES_MAX = 1024 * 1024

/**
 * Keeps a transport's promises to the reader of a stream: calls come one at a time, never from inside a call to the stream, and
 * what comes before there is a reader is kept for it.
 */
export class ReaderFeed {
  readonly #clock: Clock
  readonly #overflow: () => void
  #waiting: ((reader: StreamReader) => void)[] = []
  #earlyBytes = 0
  #reader: StreamReader | undefined
  #isBusy = false
  #isFlushAsked = false
  #isClosed = false

  /** `overflow` is called when more comes before there is a reader than is kept; the stream must be reset then. */
  constructor(clock: Clock, overflow: () => void) {
    this.#clock = clock
    this.#overflow = overflow
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  read(reader: StreamReader): void {
    if (this.#reader !== undefined) throw new TypeError('the stream has a reader already')
    this.#reader = reader
    this.#earlyBytes = 0
    this.#askFlush()
  }

  /** Runs a call to the stream: what it causes is told to the reader in a later turn. */
  during<T>(call: () => T): T {
    if (this.#isBusy) return call()
    this.#isBusy = true
    try {
      return call()
    } finally {
      this.#isBusy = false
      if (this.#waiting.length > 0) this.#askFlush()
    }
  }

  data(chunk: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#reader === undefined) {
      this.#earlyBytes += chunk.byteLength
      if (this.#earlyBytes > EARLY_BYTES_MAX) {
        this.#overflow()
        return
      }
    }
    this.#tell(reader => reader.data(chunk))
  }

  drained(): void {
    if (!this.#isClosed) this.#tell(reader => reader.drained())
  }

  ended(): void {
    if (!this.#isClosed) this.#tell(reader => reader.ended())
  }

  /** The last call; every later one is ignored. After a reset the reader is not told what it had not heard before. */
  closed(end: StreamEnd): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (end.kind === 'reset') this.#waiting = []
    this.#tell(reader => reader.closed(end))
  }

  #tell(call: (reader: StreamReader) => void): void {
    if (this.#reader === undefined || this.#isBusy || this.#waiting.length > 0) {
      this.#waiting.push(call)
      if (this.#reader !== undefined) this.#askFlush()
      return
    }
    this.#run(this.#reader, call)
  }

  #askFlush(): void {
    if (this.#isFlushAsked) return
    this.#isFlushAsked = true
    this.#clock.endOfTurn(() => {
      this.#isFlushAsked = false
      this.#flush()
    })
  }

  #flush(): void {
    const reader = this.#reader
    if (reader === undefined || this.#isBusy) return
    for (let call = this.#waiting.shift(); call !== undefined; call = this.#waiting.shift()) this.#run(reader, call)
  }

  #run(reader: StreamReader, call: (reader: StreamReader) => void): void {
    this.#isBusy = true
    try {
      call(reader)
    } finally {
      this.#isBusy = false
      if (this.#waiting.length > 0) this.#askFlush()
    }
  }
}
