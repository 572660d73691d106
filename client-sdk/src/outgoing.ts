import type { Clock } from './clock.ts'
import type { Connection } from './connection.ts'
import type { Params } from './contract/methods.ts'
import type { AcceptedSend, IdRange } from './contract/types.ts'
import { ParleyError, unreachable, withData } from './errors.ts'
import { Batch, type Given, Lane, type RunOptions, type Sink } from './lane.ts'
import type { Link } from './link.ts'
import type { MessageTracker } from './message-tracker.ts'
import { Room } from './room.ts'
import { SendNumbers } from './send-numbers.ts'
import { runOptions, type SendOptions } from './send-options.ts'

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

export interface OutgoingOptions {
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
export class Outgoing {
  /** For what waits to be written. */
  readonly room: Room = new Room()
  readonly #link: Link
  readonly #clock: Clock
  readonly #tracker: MessageTracker
  readonly #numbers = new SendNumbers()
  readonly #lanes = new Map<string, Lane>()
  /** Lanes with something to send, next first. */
  readonly #ready = new Set<Lane>()
  #lastLane: Lane | undefined
  #idle: (() => void)[] = []
  #lastSeq = 0
  #unansweredCalls = 0
  #unansweredBytes = 0
  #flushScheduled = false
  #turnMs: number | undefined

  constructor(options: OutgoingOptions) {
    this.#link = options.link
    this.#clock = options.clock
    this.#tracker = options.tracker
    this.#tracker.listen(range => this.#progressed(range.first))
  }

  /** Resolves once nothing waits and every run is answered. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  /** Takes back what was not written, and cannot have been accepted. */
  takeBack(sink: Sink): void {
    const { batch } = sink
    if (batch?.state !== 'queued' || batch.mayBeAccepted) return
    batch.remove(sink)
    this.room.release(sink.bodies.length, sink.bytes)
  }

  /** Adds messages to a run that waits, or begins one. */
  gather(sink: Sink, peer: string, options: SendOptions): void {
    const lane = this.#laneOf(peer, options)
    this.#turnMs ??= this.#clock.monotonicMs()
    const last = lane.queue.at(-1)
    const shared = runOptions(options)
    if (last?.takes(sink, shared, this.#turnMs)) this.#hold(last, sink)
    else this.#enqueue(lane, sink, shared, 'shared')
    this.scheduleFlush()
  }

  /** Sends parts of one run: each only once the one before was accepted. */
  enqueueRun(sinks: readonly Sink[], peer: string, options: SendOptions): void {
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
    this.room.hold(sink.bodies.length, sink.bytes)
  }

  #wake(lane: Lane): void {
    this.#ready.add(lane)
    this.scheduleFlush()
  }

  scheduleFlush(): void {
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
    this.room.admitWaiting()
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
    this.room.release(batch.count, batch.bytes)
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
    this.room.hold(batch.count, batch.bytes)
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
  up(accepted: readonly AcceptedSend[] | null): void {
    const idsOf = new Map(accepted?.map(({ number, ids }) => [number, ids]))
    for (const lane of this.#lanes.values()) {
      for (const batch of lane.queue.filter(({ mayBeAccepted }) => mayBeAccepted && accepted !== null)) {
        const ids = idsOf.get(batch.number as number)
        this.room.release(batch.count, batch.bytes)
        if (ids !== undefined) {
          lane.remove(batch)
          this.#accepted(lane, batch, { ids })
        } else {
          batch.mayBeAccepted = false
          batch.requeue()
          this.room.hold(batch.count, batch.bytes)
        }
      }
      this.#resume(lane)
    }
  }

  #expire(lane: Lane, batch: Batch): void {
    if (batch.state === 'queued') {
      lane.remove(batch)
      this.room.release(batch.count, batch.bytes)
      this.#numbers.settle(batch.number)
      batch.fail(batch.mayBeAccepted ? unreachable(undefined, 'unknown') : this.lateError(batch))
    } else {
      batch.fail(
        new ParleyError('DAEMON_UNREACHABLE', 'The daemon did not answer in time.', { data: { accepted: 'unknown' } })
      )
    }
    this.#wake(lane)
  }

  #drop(lane: Lane, batch: Batch, error: unknown): void {
    lane.remove(batch)
    this.room.release(batch.count, batch.bytes)
    this.#numbers.settle(batch.number)
    batch.fail(error)
  }

  /** Why something ends whose time is over. */
  lateError(batch?: Batch): ParleyError {
    if (this.#link.connection === undefined) return unreachable(undefined, 'no')
    if (batch?.refusal !== undefined) return withData(batch.refusal, { accepted: 'no' })
    return new ParleyError('TIMED_OUT', undefined, { data: { accepted: 'no' } })
  }

  #forgetIfEmpty(lane: Lane): void {
    if (!lane.isEmpty) return
    lane.pause.end()
    this.#lanes.delete(lane.key)
    if (this.#lastLane === lane) this.#lastLane = undefined
  }

  #isIdle(): boolean {
    return this.room.isEmpty && this.#unansweredCalls === 0
  }

  #tellIdle(): void {
    if (this.#idle.length === 0 || !this.#isIdle()) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  /** Nothing leaves any more. */
  end(error: ParleyError): void {
    this.room.failWaiting(withData(error, { accepted: 'no' }))
    for (const lane of this.#lanes.values()) {
      lane.pause.end()
      for (const batch of lane.queue.splice(0)) {
        this.room.release(batch.count, batch.bytes)
        batch.fail(withData(error, { accepted: batch.mayBeAccepted ? 'unknown' : 'no' }))
      }
    }
    this.#tellIdle()
  }
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
