import type { ErrorCode } from '@parley/client-sdk/contract'
import type { Clock, Timer } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import { OutgoingQueue, type SendJob } from './outgoing.ts'

export interface SendingLimits {
  readonly sendDialWaitMs: number
  readonly contactQueueBytesMax: number
}

/** `send-due`: some job's time is over. `offline-due`: what waits has waited long enough for a session. */
export type SendingTimer = { readonly type: 'send-due' } | { readonly type: 'offline-due' }

/** The actor that owns the queue and takes its timers. */
export interface SendingOwner {
  readonly clock: Clock
  after(delayMs: number, message: SendingTimer): Timer
}

/** What waits to be sent to a contact, how much may wait, and how long. */
export class Sending {
  readonly queue: OutgoingQueue = new OutgoingQueue()
  readonly #owner: SendingOwner
  readonly #limits: SendingLimits
  #due: { readonly timer: Timer; readonly atMs: number } | undefined
  #offline: Timer | undefined

  constructor(owner: SendingOwner, limits: SendingLimits) {
    this.#owner = owner
    this.#limits = limits
  }

  /** Takes a job into the queue; false where there is no room, and then the job has failed with `QUEUE_FULL`. */
  accept(job: SendJob): boolean {
    const { contactQueueBytesMax } = this.#limits
    if (this.queue.costBytes + job.costBytes > contactQueueBytesMax && !this.queue.isEmpty) {
      const freeBytes = Math.max(0, contactQueueBytesMax - this.queue.costBytes)
      const data = { scope: 'contact', freeBytes }
      job.failed(new DaemonError('QUEUE_FULL', 'too much waits for this contact', { data }))
      return false
    }
    this.queue.add(job)
    this.#arm(job.deadlineMs)
    return true
  }

  /** Starts the time that messages wait for a session, unless it runs or nothing waits. */
  waitForSession(): void {
    if (this.queue.isEmpty || this.#offline !== undefined) return
    this.#offline = this.#owner.after(this.#limits.sendDialWaitMs, { type: 'offline-due' })
  }

  /** A session is up, or what waited has been told. */
  stopWaiting(): void {
    this.#offline?.cancel()
    this.#offline = undefined
  }

  /** Fails everything that waits. How much of a run was sent, and under which IDs, stands in the error's data; the rest never leaves. */
  failAll(code: ErrorCode, message: string): void {
    this.stopWaiting()
    this.#fail(
      this.queue.removeWhere(() => true),
      code,
      () => message
    )
  }

  /** Fails what waits for one channel. */
  failChannel(channel: string, code: ErrorCode, message: string): void {
    this.#fail(
      this.queue.removeWhere(job => job.channel === channel),
      code,
      () => message
    )
  }

  /** Fails what the peer takes no message of: its limit is below this side's. */
  failOversized(messageBytesMax: number, name: string): void {
    const oversized = this.queue.removeWhere(({ bodies }) => bodies.some(body => body.length > messageBytesMax))
    this.#fail(oversized, 'TOO_LARGE', () => `${name} takes at most ${messageBytesMax} bytes in a message`)
  }

  /** Fails what has waited for its whole time. */
  failOverdue(describe: (channel: string) => string): void {
    this.#due = undefined
    const nowMs = this.#owner.clock.monotonicMs()
    const overdue = this.queue.removeWhere(job => job.deadlineMs <= nowMs)
    this.#fail(overdue, 'TIMED_OUT', job => describe(job.channel))
    const nextMs = this.queue.nextDeadlineMs()
    if (nextMs !== undefined) this.#arm(nextMs)
  }

  #fail(jobs: readonly SendJob[], code: ErrorCode, describe: (job: SendJob) => string): void {
    for (const job of jobs) {
      job.failed(new DaemonError(code, describe(job), { data: { sent: job.sentCount, ids: job.ids } }))
    }
  }

  #arm(atMs: number): void {
    if (this.#due !== undefined && this.#due.atMs <= atMs) return
    this.#due?.timer.cancel()
    const timer = this.#owner.after(Math.max(0, atMs - this.#owner.clock.monotonicMs()), { type: 'send-due' })
    this.#due = { timer, atMs }
  }
}
