import { types } from 'node:util'
import type { Clock, Timer } from './clock.ts'
import type { IdRange } from './contract/types.ts'
import { ParleyError, unreachable, withData } from './errors.ts'
import { type Given, Sink, splitRun } from './lane.ts'
import type { Link } from './link.ts'
import type { MessageTracker } from './message-tracker.ts'
import { Outgoing } from './outgoing.ts'
import { Receipt, RunReceipt, sliceIds, type Tracking } from './receipt.ts'
import type { RoomEntry } from './room.ts'
import type { SendOptions } from './send-options.ts'

export interface SenderOptions {
  readonly link: Link
  readonly clock: Clock
  readonly tracker: MessageTracker
}

/** Takes messages of the app, as far as there is room for them, and tells it what became of them. */
export class Sender {
  readonly #link: Link
  readonly #clock: Clock
  readonly #tracker: MessageTracker
  readonly #outgoing: Outgoing
  #closed: ParleyError | undefined

  constructor(options: SenderOptions) {
    this.#link = options.link
    this.#clock = options.clock
    this.#tracker = options.tracker
    this.#outgoing = new Outgoing(options)
    this.#link.attach({
      up: (_connection, hello) => this.#outgoing.up(hello.accepted),
      down: () => undefined,
      ended: error => {
        this.#closed ??= error
        this.#outgoing.end(error)
      }
    })
  }

  send(peer: string, body: Uint8Array, options: SendOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#assertSendable(peer, [body], options)
      const sink = new Sink([body], {
        ok: (given, offset) => resolve(new Receipt(given.ids, offset, this.#trackingOf(given, options))),
        failed: reject
      })
      this.#take([sink], options, () => this.#outgoing.gather(sink, peer, options))
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
      else this.#take(sinks, options, () => this.#outgoing.enqueueRun(sinks, peer, options))
    })
  }

  /** Refuses what comes from now on, with `error`. */
  close(error: ParleyError): void {
    this.#closed ??= error
  }

  /** Resolves once nothing waits and every run is answered. */
  idle(): Promise<void> {
    return this.#outgoing.idle()
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
    const { room } = this.#outgoing
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
    if (room.enter(entry) || timeoutMs === undefined) return
    timer = this.#clock.timer(timeoutMs, () => {
      room.leave(entry)
      entry.failed(this.#outgoing.lateError())
    })
  }

  #abort(sink: Sink, entry: RoomEntry, reason: unknown): void {
    const isUnknown = sink.batch?.mayBeAccepted ?? false
    const error = this.#link.connection === undefined ? unreachable(reason, isUnknown ? 'unknown' : 'no') : reason
    if (sink.batch === undefined) {
      this.#outgoing.room.leave(entry)
      entry.failed(error)
    } else {
      this.#outgoing.takeBack(sink)
      sink.fail(error)
    }
    this.#outgoing.scheduleFlush()
  }

  #trackingOf({ expiresAt }: Given, { durable }: SendOptions): Tracking | undefined {
    return durable === false ? undefined : { tracker: this.#tracker, expiresAt }
  }
}
