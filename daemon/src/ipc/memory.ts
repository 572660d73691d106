import { SUBPROTOCOL_CBOR, SUBPROTOCOL_JSON } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import { refusal } from './answers.ts'
import type { Encoding } from './codec.ts'
import { judge, type RequestHead } from './http-rules.ts'
import {
  type AppConnection,
  type AppConnectionEnd,
  type AppConnectionReader,
  type AppHandlers,
  type AppServer,
  type HttpAnswer,
  LOW_BUFFERED_BYTES
} from './port.ts'

/** What the app's end of a pair tells its reader: the shape of the SDK's socket port. */
export type MemorySocketReader = Omit<AppConnectionReader, 'drained'>

const GOING_AWAY = 1001
const MESSAGE_TOO_BIG = 1009

/** Where apps and a daemon that share a process meet: no file, no header bytes, the same rules. */
export class MemoryAppServer implements AppServer {
  readonly address: string
  readonly #clock: Clock
  readonly #requestBytesMax: number
  readonly #connections = new Set<End>()
  #handlers: AppHandlers | undefined

  constructor(address: string, requestBytesMax: number, clock: Clock) {
    this.address = address
    this.#requestBytesMax = requestBytesMax
    this.#clock = clock
  }

  async listen(handlers: AppHandlers): Promise<void> {
    this.#handlers = handlers
  }

  async stop(): Promise<void> {
    this.#handlers = undefined
    for (const end of [...this.#connections]) end.close(GOING_AWAY, '')
  }

  /** The app's end of a new connection. @throws {DaemonError} `DAEMON_UNREACHABLE` `FORBIDDEN` `INVALID_REQUEST` */
  async open(encoding: Encoding = 'cbor', headers: RequestHead['headers'] = {}): Promise<MemorySocket> {
    const subprotocol = encoding === 'cbor' ? SUBPROTOCOL_CBOR : SUBPROTOCOL_JSON
    const own = { host: 'parley', 'sec-websocket-protocol': subprotocol }
    const verdict = judge({ method: 'GET', path: '/rpc', headers: { ...own, ...headers }, isUpgrade: true })
    const handlers = this.#running()
    if (verdict.type === 'refuse') throw new DaemonError(verdict.code, verdict.detail)
    const daemonEnd = new End(encoding, this.#clock, this.#requestBytesMax)
    const appEnd = new End(encoding, this.#clock, Number.POSITIVE_INFINITY)
    daemonEnd.join(appEnd)
    appEnd.join(daemonEnd)
    this.#connections.add(daemonEnd)
    daemonEnd.onClosed = () => this.#connections.delete(daemonEnd)
    handlers.connected(daemonEnd)
    return new MemorySocket(appEnd)
  }

  /** A request without upgrade. @throws {DaemonError} `DAEMON_UNREACHABLE` */
  async request(head: Omit<RequestHead, 'isUpgrade'>, body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer> {
    const handlers = this.#running()
    const verdict = judge({ ...head, isUpgrade: false })
    if (verdict.type === 'page') return handlers.page(verdict.path)
    if (verdict.type === 'refuse') return refusal(verdict.status, verdict.code, verdict.detail)
    if (verdict.type === 'upgrade') throw new TypeError('an upgrade that was not asked for')
    if (body.length > this.#requestBytesMax) {
      return refusal(413, 'TOO_LARGE', `a request has at most ${this.#requestBytesMax} bytes`)
    }
    return handlers.post(verdict.encoding, body, signal)
  }

  #running(): AppHandlers {
    if (this.#handlers === undefined) throw new DaemonError('DAEMON_UNREACHABLE', `nothing serves ${this.address}`)
    return this.#handlers
  }
}

/** The app's end of a connection in memory. Has the shape of the SDK's `AppSocket`. */
export class MemorySocket {
  readonly #end: End

  constructor(end: End) {
    this.#end = end
  }

  get bufferedBytes(): number {
    return this.#end.bufferedBytes
  }

  read(reader: MemorySocketReader): void {
    this.#end.read({
      message: data => reader.message(data),
      closed: end => reader.closed(end),
      drained: () => {
        // The port of apps has no word for this.
      }
    })
  }

  send(data: Uint8Array): void {
    this.#end.send(data)
  }

  close(code = 1000, reason = ''): void {
    this.#end.close(code, reason)
  }

  /** Stops taking messages, as an app does that hangs. */
  pause(): void {
    this.#end.isPaused = true
  }

  resume(): void {
    this.#end.isPaused = false
    this.#end.schedule()
  }
}

/** One end of a pair. What the other end sends waits here until this end's reader takes it, in a later turn. */
class End implements AppConnection {
  readonly encoding: Encoding
  readonly #clock: Clock
  readonly #messageBytesMax: number
  #other: End | undefined
  #reader: AppConnectionReader | undefined
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #isScheduled = false
  #isOver = false
  #end: AppConnectionEnd | undefined
  #wasHigh = false
  isPaused = false
  onClosed: () => void = () => undefined

  constructor(encoding: Encoding, clock: Clock, messageBytesMax: number) {
    this.encoding = encoding
    this.#clock = clock
    this.#messageBytesMax = messageBytesMax
  }

  join(other: End): void {
    this.#other = other
  }

  get bufferedBytes(): number {
    return this.#peer.#waitingBytes
  }

  read(reader: AppConnectionReader): void {
    this.#reader = reader
    this.schedule()
  }

  send(data: Uint8Array): void {
    if (this.#isOver) return
    if (data.length > this.#peer.#messageBytesMax) {
      this.close(MESSAGE_TOO_BIG, 'message too big')
      return
    }
    this.#peer.#waiting.push(data)
    this.#peer.#waitingBytes += data.length
    if (this.bufferedBytes >= LOW_BUFFERED_BYTES) this.#wasHigh = true
    this.#peer.schedule()
  }

  close(code: number, reason: string): void {
    if (this.#isOver) return
    for (const end of [this, this.#peer]) {
      end.#isOver = true
      end.#end = { code, reason }
      end.schedule()
    }
    // What this end was sent is not read any more; what it sent still arrives.
    this.#waiting = []
    this.#waitingBytes = 0
    this.onClosed()
    this.#peer.onClosed()
  }

  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.endOfTurn(() => {
      this.#isScheduled = false
      this.#handOver()
    })
  }

  get #peer(): End {
    if (this.#other === undefined) throw new TypeError('not joined')
    return this.#other
  }

  #handOver(): void {
    const reader = this.#reader
    if (reader === undefined) return
    while (!this.isPaused) {
      const data = this.#waiting.shift()
      if (data === undefined) break
      this.#waitingBytes -= data.length
      reader.message(data)
      this.#peer.#noteDrained()
    }
    // A reader that hangs still learns of the end; what it did not take is lost.
    if (this.#end === undefined) return
    this.#reader = undefined
    reader.closed(this.#end)
  }

  #noteDrained(): void {
    if (!this.#wasHigh || this.bufferedBytes >= LOW_BUFFERED_BYTES || this.#isOver) return
    this.#wasHigh = false
    this.#reader?.drained()
  }
}
