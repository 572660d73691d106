import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import { refusal } from './answers.ts'
import type { Encoding } from './codec.ts'
import { judge, type Verdict } from './http-rules.ts'
import type { AppHandlers, AppServer, HttpAnswer } from './port.ts'
import { applySocketMode, prepareSocketPath, type SocketModeOptions } from './unix-path.ts'
import { CLOSE_TIMEOUT_MS, WebSocketConnection } from './websocket.ts'

export interface HttpServerOptions extends SocketModeOptions {
  readonly path: string
  /** The longest message and the longest body of a POST, in bytes. */
  readonly requestBytesMax: number
  /** Apps and requests at a time; more are not accepted. */
  readonly connectionCountMax: number
  /** For a request to arrive whole. */
  readonly requestTimeoutMs: number
}

const HEADER_BYTES_MAX = 16 * 1024
const GOING_AWAY = 1001

/** The local socket: HTTP/1.1 and WebSockets on a Unix socket that only its owner may open. */
export class UnixAppServer implements AppServer {
  readonly #options: HttpServerOptions
  readonly #clock: Clock
  readonly #webSockets: WebSocketServer
  #server: Server | undefined

  constructor(options: HttpServerOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: options.requestBytesMax,
      perMessageDeflate: false,
      // `judge` has chosen already, by the same headers.
      handleProtocols: (_offered, request) => {
        const verdict = judgeRequest(request, true)
        return verdict.type === 'upgrade' ? verdict.subprotocol : false
      }
    })
  }

  get address(): string {
    return this.#options.path
  }

  async listen(handlers: AppHandlers): Promise<void> {
    const { path, requestTimeoutMs, connectionCountMax } = this.#options
    await prepareSocketPath(path)
    const server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.max(50, requestTimeoutMs / 4),
      requireHostHeader: false
    })
    server.maxConnections = connectionCountMax
    server.on('request', (request, response) => this.#request(handlers, request, response))
    server.on('upgrade', (request, socket, head) => this.#upgrade(handlers, request, socket, head))
    await listenPrivately(server, path)
    this.#server = server
    await applySocketMode(path, this.#options)
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    for (const socket of this.#webSockets.clients) socket.close(GOING_AWAY)
    server.closeIdleConnections()
    const force = this.#clock.timer(CLOSE_TIMEOUT_MS, () => {
      for (const socket of this.#webSockets.clients) socket.terminate()
      server.closeAllConnections()
    })
    await closed
    force.cancel()
  }

  #request(handlers: AppHandlers, request: IncomingMessage, response: ServerResponse): void {
    const verdict = judgeRequest(request, false)
    if (verdict.type === 'post') {
      void this.#post(handlers, verdict.encoding, request, response)
    } else if (verdict.type === 'page') {
      void handlers.page(verdict.path).then(answer => write(response, answer))
    } else {
      write(response, refusalOf(verdict))
    }
  }

  async #post(
    handlers: AppHandlers,
    encoding: Encoding,
    request: IncomingMessage,
    response: ServerResponse
  ): Promise<void> {
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const body = await readBody(request, this.#options.requestBytesMax)
    if (body === 'gone') return
    if (body === 'too-large') {
      write(response, refusal(413, 'TOO_LARGE', `a request has at most ${this.#options.requestBytesMax} bytes`))
      return
    }
    write(response, await handlers.post(encoding, body, gone.signal))
  }

  #upgrade(handlers: AppHandlers, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const verdict = judgeRequest(request, true)
    if (verdict.type !== 'upgrade') {
      const { status, contentType, body } = refusalOf(verdict)
      const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, `Content-Type: ${contentType}`, 'Connection: close']
      // The other side may be gone already, and nothing is lost then.
      socket.on('error', () => {})
      socket.write(`${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n`)
      socket.end(body)
      return
    }
    this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
      handlers.connected(new WebSocketConnection(webSocket, verdict.encoding, this.#clock))
    })
  }
}

/** Binds so that the socket is 0600 from its first moment. */
function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Later ones are of single connections that could not be accepted, as where files run out: their openers see that.
    server.on('error', cause => reject(new DaemonError('SOCKET_FAILED', `${path}: ${cause.message}`, { cause })))
    // The bind is done when `listen` returns, so no other file is made under this mask.
    const mask = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(mask)
    }
  })
}

function judgeRequest(request: IncomingMessage, isUpgrade: boolean): Verdict {
  const { method = '', url = '', headers } = request
  return judge({ method, path: url, headers, isUpgrade })
}

function refusalOf(verdict: Verdict): HttpAnswer {
  if (verdict.type === 'refuse') return refusal(verdict.status, verdict.code, verdict.detail)
  return refusal(400, 'INVALID_REQUEST', 'no upgrade is possible here')
}

/** The whole body, unless it is over the limit or its sender went away. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array | 'too-large' | 'gone'> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.resolve('too-large')
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bytesMax) chunks.push(chunk)
      else resolve('too-large')
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('close', () => resolve('gone'))
    request.on('error', () => resolve('gone'))
  })
}

function write(response: ServerResponse, answer: HttpAnswer): void {
  if (response.destroyed) return
  // After a refusal the rest of the request is not worth reading.
  if (!response.req.complete) response.shouldKeepAlive = false
  response.writeHead(answer.status, {
    'Content-Type': answer.contentType,
    'Content-Length': answer.body.length,
    'Cache-Control': 'no-store'
  })
  response.end(answer.body)
}
