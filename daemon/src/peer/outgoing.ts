import type { IdRange } from '@parley/client-sdk/contract'
import type { Run } from './envelope.ts'
import { PeerFault } from './fault.ts'

/** A run gathers at most this much in bodies, or one message; so does a frame. Nothing is gained above it. */
export const BATCH_BYTES = 65_536

/** One call to send: consecutive messages to one channel, not durable. */
export interface SendJob {
  readonly channel: string
  readonly bodies: readonly Uint8Array[]
  /** Wall time at which the daemon accepted it. */
  readonly acceptedAt: number
  /** Monotonic time at which it is given up. */
  readonly deadlineMs: number
  /** What it counts while it waits: the bytes of its bodies, and 128 for each. */
  readonly costBytes: number
  /** Bodies that are on a stream. They are never sent again: at most once. */
  sentCount: number
  readonly ids: IdRange[]
  /** All of it is on a stream. */
  done(): void
  failed(error: Error): void
}

/** What waits to be sent to one contact, by channel, whatever session it will go through. */
export class OutgoingQueue {
  readonly #channels = new Map<string, Set<SendJob>>()
  #costBytes = 0

  get costBytes(): number {
    return this.#costBytes
  }

  get isEmpty(): boolean {
    return this.#channels.size === 0
  }

  /** Channels that have something waiting. */
  channels(): IterableIterator<string> {
    return this.#channels.keys()
  }

  jobs(channel: string): ReadonlySet<SendJob> | undefined {
    return this.#channels.get(channel)
  }

  add(job: SendJob): void {
    const jobs = this.#channels.get(job.channel)
    if (jobs === undefined) this.#channels.set(job.channel, new Set([job]))
    else jobs.add(job)
    this.#costBytes += job.costBytes
  }

  /** Takes a job out, sent or not. */
  remove(job: SendJob): void {
    const jobs = this.#channels.get(job.channel)
    if (jobs?.delete(job) !== true) return
    if (jobs.size === 0) this.#channels.delete(job.channel)
    this.#costBytes -= job.costBytes
  }

  /** Takes out every job that `matches`, and returns them. */
  removeWhere(matches: (job: SendJob) => boolean): SendJob[] {
    const removed: SendJob[] = []
    for (const jobs of this.#channels.values()) for (const job of jobs) if (matches(job)) removed.push(job)
    for (const job of removed) this.remove(job)
    return removed
  }

  /** The earliest deadline of what waits, or undefined. */
  nextDeadlineMs(): number | undefined {
    let nextMs: number | undefined
    for (const jobs of this.#channels.values())
      for (const { deadlineMs } of jobs) if (nextMs === undefined || deadlineMs < nextMs) nextMs = deadlineMs
    return nextMs
  }
}

interface OutgoingLane {
  readonly number: number
  readonly channel: string
  nextSeq: number
  sentBytes: number
  grantedMessages: number
  grantedBytes: number
}

/** A run that was taken from the queue, with the jobs that it completes. */
export interface TakenRun {
  readonly run: Run
  readonly bytes: number
  readonly completed: readonly SendJob[]
}

/** The lanes that this side opened in one session: numbers, sequences and credit. They end with the session. */
export class OutgoingLanes {
  readonly #epoch: string
  readonly #countMax: number
  readonly #byChannel = new Map<string, OutgoingLane>()
  readonly #byNumber: OutgoingLane[] = []
  #turn = 0

  /** `epoch` is the first part of the IDs of this session's messages. */
  constructor(epoch: string, countMax: number) {
    this.#epoch = epoch
    this.#countMax = countMax
  }

  /** Opens lanes for the channels that wait and have none. Returns the new ones, and the channels for which there is no room. */
  open(channels: Iterable<string>): {
    readonly opened: readonly { lane: number; channel: string }[]
    readonly refused: string[]
  } {
    const opened: { lane: number; channel: string }[] = []
    const refused: string[] = []
    for (const channel of channels) {
      if (this.#byChannel.has(channel)) continue
      if (this.#byNumber.length >= this.#countMax) {
        refused.push(channel)
        continue
      }
      const lane = {
        number: this.#byNumber.length + 1,
        channel,
        nextSeq: 1,
        sentBytes: 0,
        grantedMessages: 0,
        grantedBytes: 0
      }
      this.#byChannel.set(channel, lane)
      this.#byNumber.push(lane)
      opened.push({ lane: lane.number, channel })
    }
    return { opened, refused }
  }

  /** Applies the peer's credit. @throws {PeerFault} `PROTOCOL_VIOLATION` for a lane that was never opened or a total that falls */
  grant(number: number, messages: number, bytes: number): void {
    const lane = this.#byNumber[number - 1]
    if (lane === undefined) throw new PeerFault('PROTOCOL_VIOLATION', 'credit for a lane that was never opened')
    if (!Number.isSafeInteger(messages) || !Number.isSafeInteger(bytes))
      throw new PeerFault('PROTOCOL_VIOLATION', 'credit beyond all numbers')
    if (messages < lane.grantedMessages || bytes < lane.grantedBytes)
      throw new PeerFault('PROTOCOL_VIOLATION', 'credit that falls')
    lane.grantedMessages = messages
    lane.grantedBytes = bytes
  }

  /**
   * Takes the next run, lane by lane in turn: bodies of together at most `bytesMax`, or one that is longer where `mayExceed` says so.
   * Undefined when nothing may be sent now.
   */
  take(queue: OutgoingQueue, bytesMax: number, mayExceed: boolean): TakenRun | undefined {
    const lanes = this.#byNumber
    for (let step = 0; step < lanes.length; step++) {
      const index = (this.#turn + step) % lanes.length
      const lane = lanes[index]
      if (lane === undefined) continue
      const taken = this.#takeFrom(lane, queue, bytesMax, mayExceed)
      if (taken === undefined) continue
      this.#turn = index + 1
      return taken
    }
    return undefined
  }

  #takeFrom(lane: OutgoingLane, queue: OutgoingQueue, bytesMax: number, mayExceed: boolean): TakenRun | undefined {
    const bodies: Uint8Array[] = []
    const completed: SendJob[] = []
    const first = lane.nextSeq
    let bytes = 0
    let acceptedAt: number | undefined
    for (const job of queue.jobs(lane.channel) ?? []) {
      acceptedAt ??= job.acceptedAt
      if (job.acceptedAt !== acceptedAt) break
      const from = job.sentCount
      const start = lane.nextSeq
      while (job.sentCount < job.bodies.length) {
        const body = job.bodies[job.sentCount] as Uint8Array
        const fits = bytes + body.length <= bytesMax || (bodies.length === 0 && mayExceed)
        if (!fits || lane.nextSeq > lane.grantedMessages || lane.sentBytes + body.length > lane.grantedBytes) break
        bodies.push(body)
        bytes += body.length
        lane.sentBytes += body.length
        lane.nextSeq++
        job.sentCount++
      }
      if (job.sentCount > from)
        job.ids.push({ first: `${this.#epoch}.${lane.number}.${start}`, count: job.sentCount - from })
      if (job.sentCount < job.bodies.length) break
      completed.push(job)
    }
    if (bodies.length === 0 || acceptedAt === undefined) return undefined
    for (const job of completed) queue.remove(job)
    return { run: { lane: lane.number, first, acceptedAt, bodies }, bytes, completed }
  }
}
