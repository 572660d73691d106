import type { ByteStream, DialRequest, Gate, NodeId, StreamReader, Transport } from '../../daemon/src/transport/port.ts'

/** Preludes, handshake messages and hellos: what comes after them are wrapped frames of an open session. */
const OPENING_WRITES = 6

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

/** A transport that sends a frame twice where it is told to. */
export class FaultyTransport implements Transport {
  readonly nodeId: NodeId
  readonly #inner: Transport
  readonly #onDuplicated: () => void
  #duplicates = 0
  #isDead = false
  /** Streams on which a frame went out twice. The peer must end each of them. */
  readonly duplicated: FaultyStream[] = []

  constructor(inner: Transport, onDuplicated: () => void) {
    this.#inner = inner
    this.#onDuplicated = onDuplicated
    this.nodeId = inner.nodeId
  }

  /** The next frame of an open session goes out twice. */
  duplicateNext(): void {
    this.#duplicates = 1
  }

  /** The process is gone: connections break, the next one may listen, and what is left of this one does nothing more. */
  kill(): Promise<void> {
    this.#isDead = true
    return this.#inner.stop()
  }

  async start(gate: Gate): Promise<void> {
    if (this.#isDead) return never()
    await this.#inner.start(gate)
  }

  async stop(): Promise<void> {
    if (this.#isDead) return never()
    await this.#inner.stop()
  }

  listenAddresses(): readonly string[] {
    return this.#inner.listenAddresses()
  }

  handle(protocol: string, onStream: (stream: ByteStream) => void): Promise<void> {
    return this.#inner.handle(protocol, stream => onStream(this.#wrap(stream)))
  }

  unhandle(protocol: string): Promise<void> {
    return this.#inner.unhandle(protocol)
  }

  async dial(request: DialRequest): Promise<ByteStream> {
    if (this.#isDead) return never()
    return this.#wrap(await this.#inner.dial(request))
  }

  disconnect(nodeId: NodeId, reason: string): void {
    if (!this.#isDead) this.#inner.disconnect(nodeId, reason)
  }

  #wrap(inner: ByteStream): ByteStream {
    const stream: FaultyStream = new FaultyStream(inner, writes => {
      if (this.#duplicates === 0 || writes <= OPENING_WRITES) return false
      this.#duplicates--
      this.duplicated.push(stream)
      this.#onDuplicated()
      return true
    })
    return stream
  }
}

/** One stream of it. Sessions write one frame at a time. */
export class FaultyStream implements ByteStream {
  readonly #inner: ByteStream
  readonly #isTwice: (writeCount: number) => boolean
  #writeCount = 0
  isOver = false

  constructor(inner: ByteStream, isTwice: (writeCount: number) => boolean) {
    this.#inner = inner
    this.#isTwice = isTwice
  }

  get nodeId(): NodeId {
    return this.#inner.nodeId
  }

  get address(): string {
    return this.#inner.address
  }

  get direction(): 'inbound' | 'outbound' {
    return this.#inner.direction
  }

  get unsentBytes(): number {
    return this.#inner.unsentBytes
  }

  read(reader: StreamReader): void {
    this.#inner.read({
      data: chunk => reader.data(chunk),
      drained: () => reader.drained(),
      ended: () => reader.ended(),
      closed: end => {
        this.isOver = true
        reader.closed(end)
      }
    })
  }

  write(parts: readonly Uint8Array[]): boolean {
    this.#writeCount++
    const copies = this.#isTwice(this.#writeCount) ? parts.map(part => part.slice()) : undefined
    const hasRoom = this.#inner.write(parts)
    return copies === undefined ? hasRoom : this.#inner.write(copies)
  }

  proven(): void {
    this.#inner.proven()
  }

  end(): void {
    this.#inner.end()
  }

  reset(reason: string): void {
    this.#inner.reset(reason)
  }
}
