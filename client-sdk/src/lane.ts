import type { Timer } from './clock.ts'
import type { IdRange } from './contract/types.ts'
import type { ParleyError } from './errors.ts'
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
  readonly ttlMs: number | undefined
  readonly whenFull: 'wait' | 'fail'
}

/** What the daemon gave to the messages of one call. */
export interface Given {
  readonly ids: readonly IdRange[]
  /** Unix milliseconds; of a durable call whose answer came. */
  readonly expiresAt?: number | undefined
}

/** Told of the outcome of a sink: one of the two, once. */
export interface SinkReader {
  /** What was given is for the whole call; the sink's own IDs start at `offset`. */
  ok(given: Given, offset: number): void
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

  ok(given: Given, offset: number): void {
    if (this.#settle()) this.#reader.ok(given, offset)
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
  /** Of a durable run that was written: the same at each attempt. */
  number: number | undefined
  /** The daemon may have accepted it, and only the answer was lost: it must stay as it is. */
  mayBeAccepted = false
  /** Why the daemon did not take it for now. */
  refusal: ParleyError | undefined

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

  get isDurable(): boolean {
    return this.options.durable !== false
  }

  /** Whether somebody waits for it. */
  get isWanted(): boolean {
    return this.mayBeAccepted ? this.sinks.some(({ settled }) => !settled) : this.sinks.length > 0
  }

  takes(sink: Sink, options: RunOptions, nowMs: number): boolean {
    const { durable, timeoutMs = Number.POSITIVE_INFINITY, ttlMs, whenFull } = this.options
    return (
      this.isShared &&
      this.state === 'queued' &&
      !this.mayBeAccepted &&
      durable === options.durable &&
      this.options.timeoutMs === options.timeoutMs &&
      ttlMs === options.ttlMs &&
      whenFull === options.whenFull &&
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

  /** Makes a run wait again; without what was given up since, where it is sure that the daemon has none of it. */
  requeue(): void {
    this.state = 'queued'
    if (this.mayBeAccepted) return
    for (const sink of this.sinks) if (sink.settled) this.remove(sink)
  }

  bodies(): Uint8Array[] {
    const all: Uint8Array[] = []
    for (const sink of this.sinks) for (const body of sink.bodies) all.push(body)
    return all
  }

  succeed(given: Given): void {
    this.#finish()
    let offset = 0
    for (const sink of this.sinks) {
      sink.ok(given, offset)
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
      if (own === sink.bodies.length && ids.length > 0) sink.ok({ ids }, offset)
      else sink.fail(error, own, own > 0 ? sliceIds(ids, offset, own) : [])
      offset += sink.bodies.length
    }
  }

  #finish(): void {
    this.state = 'done'
    this.timer?.cancel()
  }
}

/** Runs to one channel of one peer, durable or not, in order. */
export class Lane {
  readonly key: string
  readonly peer: string
  readonly channel: string | undefined
  readonly isDurable: boolean
  readonly queue: Batch[] = []
  /** Written and not answered, in order. */
  readonly unanswered: Batch[] = []
  /** Where the daemon takes nothing for now. */
  readonly pause: LanePause = new LanePause()
  /** Of the IDs that were given last; all lanes to one contact share it. */
  epoch: string | undefined

  constructor(
    key: string,
    to: { readonly peer: string; readonly channel: string | undefined; readonly isDurable: boolean }
  ) {
    this.key = key
    this.peer = to.peer
    this.channel = to.channel
    this.isDurable = to.isDurable
  }

  get isEmpty(): boolean {
    return this.queue.length === 0 && this.unanswered.length === 0
  }

  answered(batch: Batch): void {
    const at = this.unanswered.indexOf(batch)
    if (at >= 0) this.unanswered.splice(at, 1)
  }

  /** Puts back a run that was not taken, at its place in the order. */
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

/** The pause before a lane is tried again doubles from the first to the second. */
const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 2_000

/** Keeps a lane whose queue at the daemon is full from being tried all the time; after a pause one run goes ahead of the others. */
export class LanePause {
  state: 'open' | 'paused' | 'trying' = 'open'
  error: ParleyError | undefined
  #attempt = 0
  #sinceMs = 0
  #timer: Timer | undefined

  /** How long to wait now. */
  begin(error: ParleyError, nowMs: number): number {
    this.state = 'paused'
    this.error = error
    this.#sinceMs = nowMs
    return Math.min(PAUSE_MS_MIN * 2 ** Math.min(this.#attempt++, 16), PAUSE_MS_MAX)
  }

  /** How long to wait still, now that there may be room. */
  leftMs(nowMs: number): number {
    return Math.max(0, this.#sinceMs + PAUSE_MS_MIN - nowMs)
  }

  setTimer(timer: Timer): void {
    this.#timer?.cancel()
    this.#timer = timer
  }

  /** One run may go. */
  try(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.state === 'paused') this.state = 'trying'
  }

  /** One was taken. */
  succeeded(): void {
    if (this.state !== 'trying') return
    this.state = 'open'
    this.error = undefined
    this.#attempt = 0
  }

  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
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
