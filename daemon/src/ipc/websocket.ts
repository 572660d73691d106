import type { WebSocket } from 'ws'
import type { Clock } from '../actor/clock.ts'
import type { Encoding } from './codec.ts'
import { type AppConnection, type AppConnectionReader, LOW_BUFFERED_BYTES } from './port.ts'

/** How long an app may take to say goodbye. */
export const CLOSE_TIMEOUT_MS = 2_000

/** An app's connection over a WebSocket. */
export class WebSocketConnection implements AppConnection {
  readonly encoding: Encoding
  readonly #socket: WebSocket
  readonly #clock: Clock
  #reader: AppConnectionReader | undefined
  #wasHigh = false

  constructor(socket: WebSocket, encoding: Encoding, clock: Clock) {
    this.encoding = encoding
    this.#socket = socket
    this.#clock = clock
    socket.pause()
    // A message that breaks the protocol or a limit: ws closes with the right code, and `close` follows.
    socket.on('error', () => {})
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  read(reader: AppConnectionReader): void {
    this.#reader = reader
    this.#socket.on('message', data => reader.message(data as Buffer))
    this.#socket.on('close', (code, reason) => reader.closed({ code, reason: reason.toString() }))
    this.#socket.resume()
  }

  send(data: Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#socket.send(data, { binary: this.encoding === 'cbor' }, this.#onSent)
    if (this.bufferedBytes >= LOW_BUFFERED_BYTES) this.#wasHigh = true
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const timer = this.#clock.timer(CLOSE_TIMEOUT_MS, () => this.#socket.terminate())
    this.#socket.once('close', () => timer.cancel())
    this.#socket.close(code, reason)
  }

  readonly #onSent = (error?: Error): void => {
    if (error || !this.#wasHigh || this.bufferedBytes >= LOW_BUFFERED_BYTES) return
    this.#wasHigh = false
    this.#reader?.drained()
  }
}
