import type { AppSocket, AppSocketReader } from '@parley/client-sdk'
import type { Clock } from '../../daemon/src/actor/clock.ts'
import { decodeMessage, encodeMessage } from '../../daemon/src/ipc/codec.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from '../../daemon/src/store/port.ts'
import type { ByteStream, DialRequest, Gate, NodeId, StreamReader, Transport } from '../../daemon/src/transport/port.ts'

// Ports with a bug, for `plants.ts`.

type BatchOptions = { readonly sync: boolean }
type Batch = (store: Store, writes: readonly StoreWrite[], options: BatchOptions) => Promise<void>

/** A store in whose batches something is wrong. */
export class PlantedStore implements Store {
  readonly #inner: Store
  readonly #batch: Batch

  constructor(inner: Store, batch: Batch) {
    this.#inner = inner
    this.#batch = batch
  }

  open(): Promise<void> {
    return this.#inner.open()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#inner.get(sublevel, key)
  }

  range(sublevel: Sublevel, range?: StoreRange): AsyncIterable<StoreEntry> {
    return this.#inner.range(sublevel, range)
  }

  batch(writes: readonly StoreWrite[], options: BatchOptions): Promise<void> {
    return this.#batch(this.#inner, writes, options)
  }
}

type Message = Readonly<Record<string, unknown>>

/** Changes what the daemon says. */
export class FilteringSocket implements AppSocket {
  readonly #inner: AppSocket
  readonly #filter: (message: Message) => Message

  constructor(inner: AppSocket, filter: (message: Message) => Message) {
    this.#inner = inner
    this.#filter = filter
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes
  }

  read(reader: AppSocketReader): void {
    this.#inner.read({
      message: data => reader.message(encodeMessage('cbor', this.#filter(decodeMessage('cbor', data) as Message))),
      closed: end => reader.closed(end)
    })
  }

  send(data: Uint8Array): void {
    this.#inner.send(data)
  }

  close(code?: number, reason?: string): void {
    this.#inner.close(code, reason)
  }
}

/** Far above what an app counts to. */
const FRESH_NUMBER = 1_000_000

/** Says a send whose answer never came once more on the next connection, as if it were another one. */
export class DoublingSocket implements AppSocket {
  readonly #inner: AppSocket
  readonly #lost: { params: object }[]
  readonly #open = new Map<unknown, { params: object }>()
  #hasHello = false

  constructor(inner: AppSocket, lost: { params: object }[]) {
    this.#inner = inner
    this.#lost = lost
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes
  }

  read(reader: AppSocketReader): void {
    this.#inner.read({
      message: data => {
        const { id } = decodeMessage('cbor', data) as Message
        if (typeof id === 'string') return // the answer to what was said once more
        this.#open.delete(id)
        reader.message(data)
        if (!this.#hasHello) this.#replay()
        this.#hasHello = true
      },
      closed: end => {
        this.#lost.push(...this.#open.values())
        reader.closed(end)
      }
    })
  }

  send(data: Uint8Array): void {
    const { id, method, params } = decodeMessage('cbor', data) as Message
    if (method === 'messages.send') this.#open.set(id, { params: params as object })
    this.#inner.send(data)
  }

  close(code?: number, reason?: string): void {
    this.#inner.close(code, reason)
  }

  #replay(): void {
    for (const [at, { params }] of this.#lost.splice(0).entries()) {
      const { previous: _, ...rest } = params as { previous?: number; number?: number }
      const call = { jsonrpc: '2.0', id: `again ${at}`, method: 'messages.send' }
      const number = FRESH_NUMBER + (rest.number ?? 0)
      this.#inner.send(encodeMessage('cbor', { ...call, params: { ...rest, ...('number' in rest && { number }) } }))
    }
  }
}

export class EndlessTransport implements Transport {
  readonly nodeId: NodeId
  readonly #inner: Transport
  readonly #clock: Clock

  constructor(inner: Transport, clock: Clock) {
    this.#inner = inner
    this.#clock = clock
    this.nodeId = inner.nodeId
  }

  start(gate: Gate): Promise<void> {
    return this.#inner.start(gate)
  }

  stop(): Promise<void> {
    return this.#inner.stop()
  }

  listenAddresses(): readonly string[] {
    return this.#inner.listenAddresses()
  }

  handle(protocol: string, onStream: (stream: ByteStream) => void): Promise<void> {
    return this.#inner.handle(protocol, stream => onStream(new EndlessStream(stream, this.#clock)))
  }

  unhandle(protocol: string): Promise<void> {
    return this.#inner.unhandle(protocol)
  }

  async dial(request: DialRequest): Promise<ByteStream> {
    return new EndlessStream(await this.#inner.dial(request), this.#clock)
  }

  disconnect(nodeId: NodeId, reason: string): void {
    this.#inner.disconnect(nodeId, reason)
  }
}

/** Drops the frame after which its direction ends, and the end. */
class EndlessStream implements ByteStream {
  readonly #inner: ByteStream
  readonly #clock: Clock
  #held: (readonly Uint8Array[])[] = []
  #isOver = false

  constructor(inner: ByteStream, clock: Clock) {
    this.#inner = inner
    this.#clock = clock
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
    this.#inner.read(reader)
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.#isOver) return false
    this.#held.push(parts)
    if (this.#held.length === 1) this.#clock.endOfTurn(() => this.#release())
    return true
  }

  proven(): void {
    this.#inner.proven()
  }

  end(): void {
    this.#isOver = true
    this.#held.pop()
    this.#release()
  }

  reset(reason: string): void {
    this.#inner.reset(reason)
  }

  #release(): void {
    for (const parts of this.#held.splice(0)) this.#inner.write(parts)
  }
}
