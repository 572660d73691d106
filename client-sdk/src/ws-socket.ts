import { connect as connectNet } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import { RPC_PATH, SOCKET_HOST, SUBPROTOCOL_CBOR } from './contract/version.ts'
import type { AppSocket, AppSocketReader, OpenSocket } from './socket.ts'

/** More than the daemon sends in one message; a longer one ends the connection. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024

/** A daemon that hangs must not keep a program alive that has closed its client. */
const CLOSE_TIMEOUT_MS = 1_000

const CLOSE_NORMAL = 1000

/** Opens a WebSocket with CBOR messages on the daemon's Unix socket. */
export const openWebSocket: OpenSocket = (path, signal) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const options: ClientOptions & { readonly closeTimeout: number } = {
      // A ws+unix: address cannot name a path that has a colon or a question mark in it.
      createConnection: () => connectNet(path),
      perMessageDeflate: false,
      closeTimeout: CLOSE_TIMEOUT_MS,
      maxPayload: MESSAGE_BYTES_MAX,
      // Masking protects the caches of proxies; on a Unix socket there is none, and a mask of zeros costs nothing.
      generateMask: mask => void mask.fill(0)
    }
    const socket = new WebSocket(`ws://${SOCKET_HOST}${RPC_PATH}`, SUBPROTOCOL_CBOR, options)
    const onAbort = () => {
      socket.terminate()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', error => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
    })
    socket.once('open', () => {
      signal.removeEventListener('abort', onAbort)
      resolve(new WsSocket(socket))
    })
  })

class WsSocket implements AppSocket {
  readonly #socket: WebSocket
  #lastError = ''

  constructor(socket: WebSocket) {
    this.#socket = socket
    // Nothing is read until there is a reader.
    socket.pause()
    socket.on('error', error => {
      this.#lastError = error.message
    })
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  read(reader: AppSocketReader): void {
    this.#socket.on('message', data => reader.message(data as Buffer))
    this.#socket.on('close', (code, reason) => reader.closed({ code, reason: reason.toString() || this.#lastError }))
    this.#socket.resume()
  }

  send(data: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data)
  }

  close(code: number = CLOSE_NORMAL, reason: string = ''): void {
    this.#socket.close(code, reason)
  }
}
