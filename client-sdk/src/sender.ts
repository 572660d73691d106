import { types } from 'node:util'
import type { Clock, Timer } from './clock.ts'
import type { Connection } from './connection.ts'
import type { Params } from './contract/methods.ts'
import type { AcceptedSend, IdRange } from './contract/types.ts'
import { ParleyError, withData } from './errors.ts'
import { Batch, type Given, Lane, type RunOptions, Sink, splitRun } from './lane.ts'
import type { Link } from './link.ts'
import type { MessageTracker } from './message-tracker.ts'
import { Receipt, RunReceipt, sliceIds, type Tracking } from './receipt.ts'
import { Room, type RoomEntry } from './room.ts'
import { SendNumbers } from './send-numbers.ts'

export interface SendOptions {
  /** The daemon's default channel unless given. */
  readonly channel?: string | undefined
  /** True unless said: the daemon keeps the message until the peer's daemon has it. False: at most once, to a peer that is there now. */
  readonly durable?: boolean | undefined
  /** Of a durable message: how long it may wait until the peer's daemon has it. The daemon's default, 7 days unless set otherwise, unless given. */
  readonly ttlMs?: number | undefined
  /**
   * What a durable send does while the daemon cannot take it, as too much waits for that peer (`QUEUE_FULL`), or its disk is full (`STORE_UNAVAILABLE`): it waits,
   * and those behind it to the same peer and channel with it, unless this says `'fail'`.
   */
  readonly whenFull?: 'wait' | 'fail' | undefined
  /**
   * How long the send may take in all, the wait for an absent daemon included. Without it a send waits for the daemon without limit, and, where it is not
   * durable, then as long as the daemon waits for the peer by itself.
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

/** The daemon cannot take a durable run now, and has not. */
const FULL_CODES: ReadonlySet<string> = new Set(['QUEUE_FULL', 'STORE_UNAVAILABLE'])

/** The daemon is going, or coming: the next connection tells. */
const PASSING_CODES: ReadonlySet<string> = new Set(['SHUTTING_DOWN', 'STOPPED', 'NOT_READY'])

export interface SenderOptions {
  readonly link: Link
  readonly clock: Clock
  readonly tracker: MessageTracker
}

/**
 * Gathers messages into runs and sends them.
 *
 * Messages to one peer and channel leave in the order of the calls, those that are durable and the others apart. What waits while the daemon is
 * away goes once it is back. What had been written when a connection died is sent again under its number where it is durable and the daemon does not
 * know the number, and never where it is not durable.
 */
export class Sender {
  readonly #link: Link
  readonly #clock: Clock
  readonly #tracker: MessageTracker
  readonly #numbers = new SendNumbers()
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
    this.#tracker = options.tracker
    this.#tracker.listen(range => this.#progressed(range.first))
    this.#link.attach({
      up: (_connection, hello) => this.#up(hello.accepted),
      down: () => undefined,
      ended: error => this.#end(error)
    })
  }

  send(peer: string, body: Uint8Array, options: SendOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#assertSendable(peer, [body], options)
      const sink = new Sink([body], {
        ok: (given, offset) => resolve(new Receipt(given.ids, offset, this.#trackingOf(given, options))),
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
      let tracking: Tracking | undefined
      const sinks = splitRun(bodies).map(
        part =>
          new Sink(part, {
            ok: (given, offset) => {
              tracking ??= this.#trackingOf(given, options)
              ids.push(...sliceIds(given.ids, offset, part.length))
              sent += part.length
              if (sent === bodies.length) resolve(new RunReceipt(ids, tracking))
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
    if (!['wait', 'fail', undefined].includes(options.whenFull))
      throw new ParleyError('INVALID_PARAMS', "whenFull is 'wait' or 'fail'.")
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
    const lane = this.#laneOf(peer, options)
    this.#turnMs ??= this.#clock.monotonicMs()
    const last = lane.queue.at(-1)
    const shared = runOptions(options)
    if (last?.takes(sink, shared, this.#turnMs)) this.#hold(last, sink)
    else this.#enqueue(lane, sink, shared, 'shared')
    this.#scheduleFlush()
  }

  #enqueueRun(sinks: readonly Sink[], peer: string, options: SendOptions): void {
    const lane = this.#laneOf(peer, options)
    let previous: Batch | undefined
    for (const sink of sinks) previous = this.#enqueue(lane, sink, runOptions(options), { previous })
  }

  #enqueue(lane: Lane, sink: Sink, options: RunOptions, kind: ConstructorParameters<typeof Batch>[3]): Batch {
    const { timeoutMs } = options
    const batch = new Batch(++this.#lastSeq, options, this.#clock.monotonicMs(), kind)
    if (timeoutMs !== undefined) batch.timer = this.#clock.timer(timeoutMs, () => this.#expire(lane, batch))
    lane.queue.push(batch)
    this.#hold(batch, sink)
    this.#wake(lane)
    return batch
  }

  #laneOf(peer: string, { channel, durable = true }: SendOptions): Lane {
    const last = this.#lastLane
    if (last?.peer === peer && last.channel === channel && last.isDurable === durable) return last
    const key = JSON.stringify([peer, channel ?? null, durable])
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(key, { peer, channel, isDurable: durable })
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
        this.#failImpatient(lane)
        const batch = this.#nextOf(lane)
        if (batch === undefined) continue
        this.#write(connection, lane, batch)
        if (lane.queue.length > 0) this.#ready.add(lane)
      }
    }
    this.#room.admitWaiting()
    this.#tellIdle()
  }

  /** Fails what does not want to wait while its lane pauses. */
  #failImpatient(lane: Lane): void {
    const { state, error } = lane.pause
    if (state !== 'paused' || error === undefined || !FULL_CODES.has(error.code)) return
    for (const batch of lane.queue.filter(({ options }) => options.whenFull === 'fail')) {
      if (!batch.mayBeAccepted) this.#drop(lane, batch, withData(error, { accepted: 'no' }))
    }
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

  /** The run to send now; undefined where the lane must wait for an answer or a pause, which will wake it. */
  #nextOf(lane: Lane): Batch | undefined {
    for (let batch = lane.queue[0]; batch !== undefined; batch = lane.queue[0]) {
      const { previous } = batch
      if (batch.isWanted && previous?.error === undefined) {
        const mustWait = previous !== undefined && previous.state !== 'done'
        return mustWait || lane.unanswered.length >= unansweredMax(lane) ? undefined : batch
      }
      this.#drop(lane, batch, previous?.error)
    }
    this.#forgetIfEmpty(lane)
    return undefined
  }

  #write(connection: Connection, lane: Lane, batch: Batch): void {
    const { timeoutMs } = batch.options
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
    const params = this.#paramsOf(lane, batch, leftMs)
    const { bytes } = batch
    lane.unanswered.push(batch)
    this.#unansweredCalls++
    this.#unansweredBytes += bytes
    const answered = () => {
      lane.answered(batch)
      this.#unansweredCalls--
      this.#unansweredBytes -= bytes
      this.#wake(lane)
    }
    try {
      connection.request('messages.send', params, {
        ok: given => {
          answered()
          this.#accepted(lane, batch, given)
        },
        failed: error => {
          answered()
          this.#failed(lane, batch, error)
        }
      })
    } catch (error) {
      answered()
      this.#numbers.settle(batch.number)
      batch.fail(error)
    }
  }

  #paramsOf(lane: Lane, batch: Batch, leftMs: number | undefined): Params<'messages.send'> {
    const { peer, channel } = lane
    const { durable, ttlMs } = batch.options
    const params = {
      peer,
      bodies: batch.bodies(),
      ...(channel !== undefined && { channel }),
      ...(durable !== undefined && { durable })
    }
    if (!batch.isDurable) return { ...params, ...(leftMs !== undefined && { timeoutMs: leftMs }) }
    batch.number ??= this.#numbers.next()
    const previous = lane.unanswered.at(-1)?.number
    return {
      ...params,
      ...(ttlMs !== undefined && { ttlMs }),
      number: batch.number,
      ...(previous !== undefined && { previous }),
      answeredThrough: this.#numbers.answeredThrough
    }
  }

  #accepted(lane: Lane, batch: Batch, given: Given): void {
    this.#numbers.settle(batch.number)
    lane.pause.succeeded()
    const [first] = given.ids
    if (first !== undefined) lane.epoch = epochOf(first.first)
    batch.succeed(given)
  }

  #failed(lane: Lane, batch: Batch, error: ParleyError): void {
    if (batch.state === 'written' && this.#comesAgain(lane, batch, error)) {
      this.#putBack(lane, batch)
      return
    }
    this.#numbers.settle(batch.number)
    const { sent, ids } = error.data
    batch.fail(error, typeof sent === 'number' ? sent : 0, Array.isArray(ids) ? (ids as IdRange[]) : [])
  }

  /** Whether a run that was not accepted, as far as one knows, is tried again; the lane may have to pause before. */
  #comesAgain(lane: Lane, batch: Batch, error: ParleyError): boolean {
    const { code, data } = error
    if (code === 'DAEMON_UNREACHABLE') {
      if (data['accepted'] === 'no') return true
      batch.mayBeAccepted = true
      return batch.isDurable
    }
    if (!batch.isDurable) return false
    const isFull = FULL_CODES.has(code)
    if (!isFull && !PASSING_CODES.has(code)) return false
    // A full queue was found full; whether a store that failed has the run is told once it is back.
    if (code === 'QUEUE_FULL') batch.mayBeAccepted &&= data['previous'] !== undefined
    else batch.mayBeAccepted ||= data['accepted'] !== 'no'
    if (isFull && batch.options.whenFull === 'fail') return false
    if (!batch.mayBeAccepted) {
      // It comes again under a new number, so that the old one keeps nothing from being forgotten.
      this.#numbers.settle(batch.number)
      batch.number = undefined
    }
    batch.refusal = isFull ? error : undefined
    this.#pause(lane, error)
    return true
  }

  #putBack(lane: Lane, batch: Batch): void {
    batch.timer?.cancel()
    lane.putBack(batch)
    this.#room.hold(batch.count, batch.bytes)
    const { timeoutMs } = batch.options
    if (timeoutMs === undefined) return
    const leftMs = batch.openedAtMs + timeoutMs - this.#clock.monotonicMs()
    batch.timer = this.#clock.timer(Math.max(0, leftMs), () => this.#expire(lane, batch))
  }

  #pause(lane: Lane, error: ParleyError): void {
    if (lane.pause.state === 'paused') return
    const pauseMs = lane.pause.begin(error, this.#clock.monotonicMs())
    lane.pause.setTimer(this.#clock.timer(pauseMs, () => this.#resume(lane)))
    this.#tracker.follow()
  }

  #resume(lane: Lane): void {
    lane.pause.try()
    this.#wake(lane)
  }

  /** Messages have come further, so that there may be room for others to that contact. */
  #progressed(id: string): void {
    for (const lane of this.#lanes.values()) {
      if (lane.pause.state !== 'paused' || (lane.epoch !== undefined && lane.epoch !== epochOf(id))) continue
      const leftMs = lane.pause.leftMs(this.#clock.monotonicMs())
      lane.pause.setTimer(this.#clock.timer(leftMs, () => this.#resume(lane)))
    }
  }

  /** A daemon is there: what an earlier connection left open is settled by what the daemon accepted of it. */
  #up(accepted: readonly AcceptedSend[] | null): void {
    const idsOf = new Map(accepted?.map(({ number, ids }) => [number, ids]))
    for (const lane of this.#lanes.values()) {
      for (const batch of lane.queue.filter(({ mayBeAccepted }) => mayBeAccepted && accepted !== null)) {
        const ids = idsOf.get(batch.number as number)
        this.#room.release(batch.count, batch.bytes)
        if (ids !== undefined) {
          lane.remove(batch)
          this.#accepted(lane, batch, { ids })
        } else {
          batch.mayBeAccepted = false
          batch.requeue()
          this.#room.hold(batch.count, batch.bytes)
        }
      }
      this.#resume(lane)
    }
  }

  #expire(lane: Lane, batch: Batch): void {
    if (batch.state === 'queued') {
      lane.remove(batch)
      this.#room.release(batch.count, batch.bytes)
      this.#numbers.settle(batch.number)
      batch.fail(batch.mayBeAccepted ? unreachable(undefined, 'unknown') : this.#lateError(batch))
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
      entry.failed(this.#abortError(reason, batch))
    } else {
      if (batch.state === 'queued' && !batch.mayBeAccepted) {
        batch.remove(sink)
        this.#room.release(sink.bodies.length, sink.bytes)
      }
      sink.fail(this.#abortError(reason, batch))
    }
    this.#scheduleFlush()
  }

  #abortError(reason: unknown, batch: Batch | undefined): unknown {
    if (this.#link.connection !== undefined) return reason
    return unreachable(reason, batch?.mayBeAccepted ? 'unknown' : 'no')
  }

  #drop(lane: Lane, batch: Batch, error: unknown): void {
    lane.remove(batch)
    this.#room.release(batch.count, batch.bytes)
    this.#numbers.settle(batch.number)
    batch.fail(error)
  }

  #lateError(batch?: Batch): ParleyError {
    if (this.#link.connection === undefined) return unreachable(undefined, 'no')
    if (batch?.refusal !== undefined) return withData(batch.refusal, { accepted: 'no' })
    return new ParleyError('TIMED_OUT', undefined, { data: { accepted: 'no' } })
  }

  #trackingOf({ expiresAt }: Given, { durable }: SendOptions): Tracking | undefined {
    return durable === false ? undefined : { tracker: this.#tracker, expiresAt }
  }

  #forgetIfEmpty(lane: Lane): void {
    if (!lane.isEmpty) return
    lane.pause.end()
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
    this.#room.failWaiting(withData(error, { accepted: 'no' }))
    for (const lane of this.#lanes.values()) {
      lane.pause.end()
      for (const batch of lane.queue.splice(0)) {
        this.#room.release(batch.count, batch.bytes)
        batch.fail(withData(error, { accepted: batch.mayBeAccepted ? 'unknown' : 'no' }))
      }
    }
    this.#tellIdle()
  }
}

function runOptions({ durable, timeoutMs, ttlMs, whenFull = 'wait' }: SendOptions): RunOptions {
  return { durable, timeoutMs, ttlMs, whenFull }
}

/** How many calls a lane may have in flight. */
function unansweredMax({ pause }: Lane): number {
  if (pause.state === 'paused') return 0
  return pause.state === 'trying' ? 1 : UNANSWERED_CALLS_PER_LANE_MAX
}

/** What all IDs of messages to one contact begin with. */
function epochOf(id: string): string {
  return id.slice(0, id.indexOf('.'))
}

function unreachable(cause: unknown, accepted: 'no' | 'unknown'): ParleyError {
  return new ParleyError('DAEMON_UNREACHABLE', undefined, { cause, data: { accepted } })
}
