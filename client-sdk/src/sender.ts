import { types } from 'node:util'
import type { Clock, Timer } from './clock.ts'
import type { Connection } from './connection.ts'
import type { IdRange } from './contract/types.ts'
import { ParleyError, withData } from './errors.ts'
import { Batch, Lane, Sink, splitRun } from './lane.ts'
import type { Link } from './link.ts'
import { Receipt, RunReceipt, sliceIds } from './receipt.ts'
import { Room, type RoomEntry } from './room.ts'

export interface SendOptions {
  /** The daemon's default channel unless given. */
  readonly channel?: string | undefined
  /** True unless said: the daemon keeps the message until the peer's daemon has it. False: at most once, to a peer that is there now. */
  readonly durable?: boolean | undefined
  /**
   * How long the send may take in all, the wait for an absent daemon included. Without it a send waits for the daemon without limit, and
   * then as long as the daemon waits for the peer by itself.
   */
  readonly timeoutMs?: number | undefined
  /** What is aborted after it was written may still arrive. */
  readonly signal?: AbortSignal | undefined
}

/** Calls in flight, in all and for one lane: a lane whose peer does not read must not stop the others. */
const UNANSWERED_CALLS_MAX = 64
const UNANSWERED_CALLS_PER_LANE_MAX = 4

/** The daemon's own answer to a deadline says more than ours; after this long there will be none. */
const ANSWER_GRACE_MS = 1_000

/** The longest that the daemon takes for a send. */
const DAEMON_TIMEOUT_MS_MAX = 24 * 60 * 60 * 1_000

export interface SenderOptions {
  readonly link: Link
  readonly clock: Clock
}

/**
 * Gathers messages into runs and sends them.
 *
 * Messages to one peer and channel leave in the order of the calls. What waits while the daemon is away goes once it is
 * back; what had been written when a connection died is never sent again.
 */
export class Sender {
  readonly #link: Link
  readonly #clock: Clock
  readonly #lanes = new Map<string, Lane>()
  /** Lanes with something to send, next first. */
  readonly #ready = new Set<Lane>()
  readonly #room = new Room()
  #lastLane: Lane | undefined
  #idle: (() => void)[] = []
  #lastSeq = 0
  #unansweredCalls = 0
  #unansweredBytes = 0
  #flushScheduled = false
  #turnMs: number | undefined
  #closed: ParleyError | undefined

  constructor(options: SenderOptions) {
    this.#link = options.link
    this.#clock = options.clock
    this.#link.attach({
      up: () => this.#scheduleFlush(),
      down: () => undefined,
      ended: error => this.#end(error)
    })
  }

  send(peer: string, body: Uint8Array, options: SendOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#assertSendable(peer, [body], options)
      const sink = new Sink([body], {
        ok: (ids, offset) => resolve(new Receipt(ids, offset)),
        failed: reject
      })
      this.#take([sink], options, () => this.#gather(sink, peer, options))
    })
  }

  sendRun(peer: string, bodies: readonly Uint8Array[], options: SendOptions): Promise<RunReceipt> {
    return new Promise((resolve, reject) => {
      this.#assertSendable(peer, bodies, options)
      const ids: IdRange[] = []
      let sent = 0
      const sinks = splitRun(bodies).map(
        part =>
          new Sink(part, {
            ok: (given, offset) => {
              ids.push(...sliceIds(given, offset, part.length))
              sent += part.length
              if (sent === bodies.length) resolve(new RunReceipt(ids))
            },
            failed: (error, count, given) => {
              const data = { sent: sent + count, ids: [...ids, ...given] }
              reject(error instanceof ParleyError ? withData(error, data) : error)
            }
          })
      )
      if (sinks.length === 0) resolve(new RunReceipt([]))
      else this.#take(sinks, options, () => this.#enqueueRun(sinks, peer, options))
    })
  }

  /** Refuses what comes from now on, with `error`. */
  close(error: ParleyError): void {
    this.#closed ??= error
  }

  /** Resolves once nothing waits and every run is answered. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #assertSendable(peer: unknown, bodies: readonly Uint8Array[], options: SendOptions): void {
    if (this.#closed !== undefined) throw this.#closed
    options.signal?.throwIfAborted()
    const bytesMax = this.#link.hello.limits.messageBytesMax
    if (typeof peer !== 'string') throw new ParleyError('INVALID_PARAMS', 'The peer is text.')
    for (const body of bodies) {
      // Programs without types pass anything, and one length that is no number would upset every count here.
      if (!types.isUint8Array(body)) throw new ParleyError('INVALID_PARAMS', 'A body is text or a Uint8Array.')
      if (body.length > bytesMax) {
        throw new ParleyError('TOO_LARGE', `A body has ${body.length} bytes; at most ${bytesMax} are allowed.`)
      }
    }
  }

  /** Runs `admit` now or, where too much is held, once there is room. */
  #take(sinks: readonly Sink[], options: SendOptions, admit: () => void): void {
    const { timeoutMs, signal } = options
    let timer: Timer | undefined
    const entry: RoomEntry = {
      admit: () => {
        timer?.cancel()
        admit()
      },
      failed: error => {
        timer?.cancel()
        for (const sink of sinks) sink.fail(error)
      }
    }
    if (signal !== undefined) {
      for (const sink of sinks) {
        const abort = (reason: unknown) => this.#abort(sink, entry, reason)
        sink.whenSettled(this.#link.aborts.watch(signal, abort))
      }
    }
    if (this.#room.enter(entry) || timeoutMs === undefined) return
    timer = this.#clock.timer(timeoutMs, () => {
      this.#room.leave(entry)
      entry.failed(this.#lateError())
    })
  }

  #gather(sink: Sink, peer: string, options: SendOptions): void {
    const lane = this.#laneOf(peer, options.channel)
    this.#turnMs ??= this.#clock.monotonicMs()
    const last = lane.queue.at(-1)
    if (last?.takes(sink, options, this.#turnMs)) this.#hold(last, sink)
    else this.#enqueue(lane, sink, options, 'shared')
    this.#scheduleFlush()
  }

  #enqueueRun(sinks: readonly Sink[], peer: string, options: SendOptions): void {
    const lane = this.#laneOf(peer, options.channel)
    let previous: Batch | undefined
    for (const sink of sinks) previous = this.#enqueue(lane, sink, options, { previous })
  }

  #enqueue(lane: Lane, sink: Sink, options: SendOptions, kind: ConstructorParameters<typeof Batch>[3]): Batch {
    const { durable, timeoutMs } = options
    const batch = new Batch(++this.#lastSeq, { durable, timeoutMs }, this.#clock.monotonicMs(), kind)
    if (timeoutMs !== undefined) batch.timer = this.#clock.timer(timeoutMs, () => this.#expire(lane, batch))
    lane.queue.push(batch)
    this.#hold(batch, sink)
    this.#wake(lane)
    return batch
  }

  #laneOf(peer: string, channel: string | undefined): Lane {
    if (this.#lastLane?.peer === peer && this.#lastLane.channel === channel) return this.#lastLane
    const key = JSON.stringify([peer, channel])
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(key, peer, channel)
      this.#lanes.set(key, lane)
    }
    this.#lastLane = lane
    return lane
  }

  #hold(batch: Batch, sink: Sink): void {
    batch.add(sink)
    this.#room.hold(sink.bodies.length, sink.bytes)
  }

  #wake(lane: Lane): void {
    this.#ready.add(lane)
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#clock.endOfTurn(() => {
      this.#flushScheduled = false
      this.#turnMs = undefined
      this.#flush()
    })
  }

  #flush(): void {
    const connection = this.#link.connection
    if (connection !== undefined) {
      // A lane that has more is put at the end of the set, and so is visited again after the others.
      for (const lane of this.#ready) {
        if (!this.#mayCall()) break
        this.#ready.delete(lane)
        const batch = this.#nextOf(lane)
        if (batch === undefined) continue
        this.#write(connection, lane, batch)
        if (lane.queue.length > 0) this.#ready.add(lane)
      }
    }
    this.#room.admitWaiting()
    this.#tellIdle()
  }

  #mayCall(): boolean {
    const { callCountMax, callBytesMax } = this.#link.hello.limits
    // The other half is for everything that is not a send.
    if (this.#unansweredCalls === 0) return true
    return (
      this.#unansweredCalls < Math.min(UNANSWERED_CALLS_MAX, callCountMax / 2) &&
      this.#unansweredBytes < callBytesMax / 2
    )
  }

  /** The run to send now; undefined where the lane must wait for an answer, which will wake it. */
  #nextOf(lane: Lane): Batch | undefined {
    for (let batch = lane.queue[0]; batch !== undefined; batch = lane.queue[0]) {
      const { previous } = batch
      if (batch.sinks.length > 0 && previous?.error === undefined) {
        const mustWait = previous !== undefined && previous.state !== 'done'
        return mustWait || lane.unansweredCalls >= UNANSWERED_CALLS_PER_LANE_MAX ? undefined : batch
      }
      this.#drop(lane, batch, previous?.error)
    }
    this.#forgetIfEmpty(lane)
    return undefined
  }

  #write(connection: Connection, lane: Lane, batch: Batch): void {
    const { durable, timeoutMs } = batch.options
    lane.queue.shift()
    this.#room.release(batch.count, batch.bytes)
    batch.state = 'written'
    batch.timer?.cancel()
    let leftMs: number | undefined
    if (timeoutMs !== undefined) {
      const dueMs = batch.openedAtMs + timeoutMs
      leftMs = Math.min(Math.max(1, Math.ceil(dueMs - this.#clock.monotonicMs())), DAEMON_TIMEOUT_MS_MAX)
      batch.timer = this.#clock.timer(leftMs + ANSWER_GRACE_MS, () => this.#expire(lane, batch))
    }
    const params = {
      peer: lane.peer,
      bodies: batch.bodies(),
      ...(lane.channel !== undefined && { channel: lane.channel }),
      ...(durable !== undefined && { durable }),
      ...(leftMs !== undefined && { timeoutMs: leftMs })
    }
    const { bytes } = batch
    lane.unansweredCalls++
    this.#unansweredCalls++
    this.#unansweredBytes += bytes
    const answered = () => {
      lane.unansweredCalls--
      this.#unansweredCalls--
      this.#unansweredBytes -= bytes
      this.#wake(lane)
    }
    try {
      connection.request('messages.send', params, {
        ok: result => {
          answered()
          batch.succeed(result.ids)
        },
        failed: error => {
          answered()
          this.#failed(lane, batch, error)
        }
      })
    } catch (error) {
      answered()
      batch.fail(error)
    }
  }

  #failed(lane: Lane, batch: Batch, error: ParleyError): void {
    const neverLeft = error.code === 'DAEMON_UNREACHABLE' && error.data['accepted'] === 'no'
    if (neverLeft && batch.state === 'written') {
      batch.timer?.cancel()
      lane.putBack(batch)
      this.#room.hold(batch.count, batch.bytes)
      if (batch.options.timeoutMs !== undefined) {
        const leftMs = batch.openedAtMs + batch.options.timeoutMs - this.#clock.monotonicMs()
        batch.timer = this.#clock.timer(Math.max(0, leftMs), () => this.#expire(lane, batch))
      }
      return
    }
    const { sent, ids } = error.data
    batch.fail(error, typeof sent === 'number' ? sent : 0, Array.isArray(ids) ? (ids as IdRange[]) : [])
  }

  #expire(lane: Lane, batch: Batch): void {
    if (batch.state === 'queued') {
      lane.remove(batch)
      this.#room.release(batch.count, batch.bytes)
      batch.fail(this.#lateError())
    } else {
      batch.fail(
        new ParleyError('DAEMON_UNREACHABLE', 'The daemon did not answer in time.', { data: { accepted: 'unknown' } })
      )
    }
    this.#wake(lane)
  }

  #abort(sink: Sink, entry: RoomEntry, reason: unknown): void {
    const { batch } = sink
    if (batch === undefined) {
      this.#room.leave(entry)
      entry.failed(this.#abortError(reason))
    } else {
      if (batch.state === 'queued') {
        batch.remove(sink)
        this.#room.release(sink.bodies.length, sink.bytes)
      }
      sink.fail(this.#abortError(reason))
    }
    this.#scheduleFlush()
  }

  #abortError(reason: unknown): unknown {
    return this.#link.connection === undefined ? unreachable(reason) : reason
  }

  #drop(lane: Lane, batch: Batch, error: unknown): void {
    lane.queue.shift()
    this.#room.release(batch.count, batch.bytes)
    batch.fail(error)
  }

  #lateError(): ParleyError {
    return this.#link.connection === undefined
      ? unreachable(undefined)
      : new ParleyError('TIMED_OUT', undefined, { data: { accepted: 'no' } })
  }

  #forgetIfEmpty(lane: Lane): void {
    if (!lane.isEmpty) return
    this.#lanes.delete(lane.key)
    if (this.#lastLane === lane) this.#lastLane = undefined
  }

  #isIdle(): boolean {
    return this.#room.isEmpty && this.#unansweredCalls === 0
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || !this.#isIdle()) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  #end(error: ParleyError): void {
    this.#closed ??= error
    const failure = withData(error, { accepted: 'no' })
    this.#room.failWaiting(failure)
    for (const lane of this.#lanes.values()) {
      for (const batch of lane.queue.splice(0)) {
        this.#room.release(batch.count, batch.bytes)
        batch.fail(failure)
      }
    }
    this.#tellIdle()
  }
}

function unreachable(cause: unknown): ParleyError {
  return new ParleyError('DAEMON_UNREACHABLE', undefined, { cause, data: { accepted: 'no' } })
}
