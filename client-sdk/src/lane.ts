import type { Timer } from './clock.ts'
import type { IdRange } from './contract/types.ts'
import { sliceIds } from './receipt.ts'

/** A run has at most so many messages and bytes of bodies. More gains nothing. */
const RUN_COUNT_MAX = 1_024
const RUN_BYTES_MAX = 1024 * 1024

/** How long a run that waits takes more in. Its deadline is that of its first message: a later one must not lose much of its own. */
const GATHER_MS_MAX = 25

/** Options that all messages of a run share. */
export interface RunOptions {
  readonly durable: boolean | undefined
  readonly timeoutMs: number | undefined
}

/** Told of the outcome of a sink: one of the two, once. */
export interface SinkReader {
  /** `ids` are those of the whole call; the sink's own start at `offset`. */
  ok(ids: readonly IdRange[], offset: number): void
  /** `ids` are those of the sink's messages that went all the same, as far as the daemon told. */
  failed(error: unknown, sent: number, ids: readonly IdRange[]): void
}

/** What one `send`, or one part of a `sendRun`, waits with. */
export class Sink {
  readonly bodies: readonly Uint8Array[]
  readonly bytes: number
  batch: Batch | undefined
  readonly #reader: SinkReader
  #whenSettled: (() => void) | undefined
  #settled = false

  constructor(bodies: readonly Uint8Array[], reader: SinkReader) {
    this.bodies = bodies
    this.bytes = bodies.length === 1 ? (bodies[0] as Uint8Array).length : bytesOf(bodies)
    this.#reader = reader
  }

  get settled(): boolean {
    return this.#settled
  }

  /** Keeps what is to be called once the sink has its outcome. */
  whenSettled(run: () => void): void {
    this.#whenSettled = run
  }

  ok(ids: readonly IdRange[], offset: number): void {
    if (this.#settle()) this.#reader.ok(ids, offset)
  }

  fail(error: unknown, sent: number = 0, ids: readonly IdRange[] = []): void {
    if (this.#settle()) this.#reader.failed(error, sent, ids)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#whenSettled?.()
    return true
  }
}

/** One call of `messages.send`: as many sinks as fit. */
export class Batch {
  sinks: Sink[] = []
  /** In order of making, over all lanes. */
  readonly seq: number
  readonly options: RunOptions
  readonly openedAtMs: number
  /** Must have succeeded before this one goes. */
  readonly previous: Batch | undefined
  /** Whether messages of other calls may join. */
  readonly isShared: boolean
  timer: Timer | undefined
  count = 0
  bytes = 0
  state: 'queued' | 'written' | 'done' = 'queued'
  error: unknown

  constructor(
    seq: number,
    options: RunOptions,
    openedAtMs: number,
    kind: 'shared' | { readonly previous: Batch | undefined }
  ) {
    this.seq = seq
    this.options = options
    this.openedAtMs = openedAtMs
    this.isShared = kind === 'shared'
    this.previous = kind === 'shared' ? undefined : kind.previous
  }

  takes(sink: Sink, options: Partial<RunOptions>, nowMs: number): boolean {
    const { durable, timeoutMs = Number.POSITIVE_INFINITY } = this.options
    return (
      this.isShared &&
      this.state === 'queued' &&
      durable === options.durable &&
      this.options.timeoutMs === options.timeoutMs &&
      nowMs - this.openedAtMs <= Math.min(GATHER_MS_MAX, timeoutMs / 10) &&
      this.count + sink.bodies.length <= RUN_COUNT_MAX &&
      this.bytes + sink.bytes <= RUN_BYTES_MAX
    )
  }

  add(sink: Sink): void {
    sink.batch = this
    this.sinks.push(sink)
    this.count += sink.bodies.length
    this.bytes += sink.bytes
  }

  /** Takes back what has not been written. */
  remove(sink: Sink): void {
    this.sinks = this.sinks.filter(other => other !== sink)
    this.count -= sink.bodies.length
    this.bytes -= sink.bytes
  }

  /** Makes a run that never left wait again, without what was given up since. */
  requeue(): void {
    this.state = 'queued'
    for (const sink of this.sinks) if (sink.settled) this.remove(sink)
  }

  bodies(): Uint8Array[] {
    const all: Uint8Array[] = []
    for (const sink of this.sinks) for (const body of sink.bodies) all.push(body)
    return all
  }

  succeed(ids: readonly IdRange[]): void {
    this.#finish()
    let offset = 0
    for (const sink of this.sinks) {
      sink.ok(ids, offset)
      offset += sink.bodies.length
    }
  }

  /** Fails every sink, but for those whose messages all went and whose IDs the daemon told. */
  fail(error: unknown, sent: number = 0, ids: readonly IdRange[] = []): void {
    this.error = error
    this.#finish()
    let offset = 0
    for (const sink of this.sinks) {
      const own = Math.min(Math.max(0, sent - offset), sink.bodies.length)
      if (own === sink.bodies.length && ids.length > 0) sink.ok(ids, offset)
      else sink.fail(error, own, own > 0 ? sliceIds(ids, offset, own) : [])
      offset += sink.bodies.length
    }
  }

  #finish(): void {
    this.state = 'done'
    this.timer?.cancel()
  }
}

/** Runs to one channel of one peer, in order. */
export class Lane {
  readonly key: string
  readonly peer: string
  readonly channel: string | undefined
  readonly queue: Batch[] = []
  unansweredCalls = 0

  constructor(key: string, peer: string, channel: string | undefined) {
    this.key = key
    this.peer = peer
    this.channel = channel
  }

  get isEmpty(): boolean {
    return this.queue.length === 0 && this.unansweredCalls === 0
  }

  /** Puts back a run that never left, at its place in the order. */
  putBack(batch: Batch): void {
    batch.requeue()
    const at = this.queue.findIndex(other => other.seq > batch.seq)
    this.queue.splice(at < 0 ? this.queue.length : at, 0, batch)
  }

  remove(batch: Batch): void {
    const at = this.queue.indexOf(batch)
    if (at >= 0) this.queue.splice(at, 1)
  }
}

/** Cuts a run into parts of which each is one call. */
export function splitRun(bodies: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = []
  let part: Uint8Array[] = []
  let bytes = 0
  for (const body of bodies) {
    if (part.length > 0 && (part.length >= RUN_COUNT_MAX || bytes + body.length > RUN_BYTES_MAX)) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(body)
    bytes += body.length
  }
  if (part.length > 0) parts.push(part)
  return parts
}

function bytesOf(bodies: readonly Uint8Array[]): number {
  return bodies.reduce((bytes, body) => bytes + body.length, 0)
}
