import type { VirtualClock } from '../../src/actor/virtual-clock.ts'
import type { AdmissionOptions } from '../../src/transport/admission.ts'
import type { ByteStream, Gate, NodeId, Refusal, StreamEnd, StreamReader, Transport } from '../../src/transport/port.ts'

/** What the contract needs to know of an implementation. Deadlines and rates run on a virtual clock in all of them. */
export interface TransportKit {
  readonly clock: VirtualClock
  create(options: { readonly listen: readonly string[]; readonly admission: AdmissionOptions }): Promise<Transport>
  /** Awaits what needs the network to move, letting as much virtual time pass as that takes. */
  until<T>(promise: Promise<T>): Promise<T>
}

export class TestGate implements Gate {
  readonly refusals: Refusal[] = []
  readonly #admitted: Set<NodeId> | 'all'

  constructor(admitted: readonly NodeId[] | 'all') {
    this.#admitted = admitted === 'all' ? 'all' : new Set(admitted)
  }

  admitsNode(nodeId: NodeId): boolean {
    return this.#admitted === 'all' || this.#admitted.has(nodeId)
  }

  refused(refusal: Refusal): void {
    this.refusals.push(refusal)
  }
}

/** A reader that keeps what it is told, and checks that it is told one thing at a time. */
export class Recorder implements StreamReader {
  readonly #chunks: Uint8Array[] = []
  readonly #ended = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<StreamEnd>()
  readonly #waits: { bytes: number; resolve: () => void }[] = []
  #drains: (() => void)[] = []
  #isInCall = false
  readonly calls: string[] = []
  readonly faults: string[] = []
  byteLength = 0
  onData: (chunk: Uint8Array) => void = () => undefined

  data(chunk: Uint8Array): void {
    this.#call('data', () => {
      this.#chunks.push(chunk)
      this.byteLength += chunk.byteLength
      this.onData(chunk)
      for (const wait of this.#waits) if (this.byteLength >= wait.bytes) wait.resolve()
    })
  }

  drained(): void {
    this.#call('drained', () => {
      const drains = this.#drains
      this.#drains = []
      for (const drain of drains) drain()
    })
  }

  ended(): void {
    this.#call('ended', () => this.#ended.resolve())
  }

  closed(end: StreamEnd): void {
    this.#call('closed', () => this.#closed.resolve(end))
  }

  /** Marks that a call to the stream is under way, in which the reader must not be called. */
  outside<T>(call: () => T): T {
    this.#isInCall = true
    try {
      return call()
    } finally {
      this.#isInCall = false
    }
  }

  get whenEnded(): Promise<void> {
    return this.#ended.promise
  }

  get whenClosed(): Promise<StreamEnd> {
    return this.#closed.promise
  }

  whenDrained(): Promise<void> {
    return new Promise(resolve => this.#drains.push(resolve))
  }

  whenBytes(bytes: number): Promise<void> {
    if (this.byteLength >= bytes) return Promise.resolve()
    return new Promise(resolve => this.#waits.push({ bytes, resolve }))
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#chunks))
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString()
  }

  #call(name: string, run: () => void): void {
    if (this.#isInCall) this.faults.push(`${name} came inside another call`)
    if (this.calls.at(-1) === 'closed') this.faults.push(`${name} came after closed`)
    if (this.calls.at(-1) !== name) this.calls.push(name)
    this.#isInCall = true
    try {
      run()
    } finally {
      this.#isInCall = false
    }
  }
}

export function record(stream: ByteStream): Recorder {
  const recorder = new Recorder()
  stream.read(recorder)
  return recorder
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Bytes that differ from place to place, so that a lost, doubled or moved piece shows. */
export function pattern(lengthBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  let state = seed >>> 0 || 1
  for (let i = 0; i < lengthBytes; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'no error'
}
