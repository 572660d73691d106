import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { Clock } from '../../src/actor/clock.ts'
import { SystemClock } from '../../src/actor/system-clock.ts'
import { DaemonError } from '../../src/errors.ts'
import type { Encoding } from '../../src/ipc/codec.ts'
import type { RequestHead } from '../../src/ipc/http-rules.ts'
import { UnixAppServer } from '../../src/ipc/http-server.ts'
import { MemoryAppServer } from '../../src/ipc/memory.ts'
import type { AppConnectionEnd, AppServer, HttpAnswer } from '../../src/ipc/port.ts'

/** Longest message and body in these tests. */
export const REQUEST_BYTES_MAX = 64 * 1024

/** The app's end of a connection, as a test holds it. */
export interface AppEnd {
  send(data: Uint8Array): void
  /** The next message, in order. */
  next(): Promise<Uint8Array>
  readonly closed: Promise<AppConnectionEnd>
  close(): void
  pause(): void
  resume(): void
}

/** A server and the apps' way to it. */
export interface AppSide {
  readonly server: AppServer
  /** @throws an error with `status` where the upgrade is refused */
  open(encoding: Encoding, headers?: RequestHead['headers']): Promise<AppEnd>
  request(head: Omit<RequestHead, 'isUpgrade'>, body?: Uint8Array, signal?: AbortSignal): Promise<HttpAnswer>
  [Symbol.asyncDispose](): Promise<void>
}

/** Messages that came and were not asked for, and askers that wait. */
class Incoming {
  readonly #messages: Uint8Array[] = []
  readonly #waiting: ((data: Uint8Array) => void)[] = []

  put(data: Uint8Array): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) waiting(data)
    else this.#messages.push(data)
  }

  next(): Promise<Uint8Array> {
    const message = this.#messages.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise(resolve => this.#waiting.push(resolve))
  }
}

export async function memorySide(
  clock: Clock = new SystemClock(),
  requestBytesMax = REQUEST_BYTES_MAX
): Promise<AppSide> {
  const server = new MemoryAppServer('memory', requestBytesMax, clock)
  return {
    server,
    async open(encoding, headers) {
      const socket = await server.open(encoding, headers)
      const incoming = new Incoming()
      const { promise: closed, resolve } = Promise.withResolvers<AppConnectionEnd>()
      socket.read({ message: data => incoming.put(data), closed: resolve })
      return {
        closed,
        next: () => incoming.next(),
        send: data => socket.send(data),
        close: () => socket.close(),
        pause: () => socket.pause(),
        resume: () => socket.resume()
      }
    },
    request: (head, body = new Uint8Array(0), signal = new AbortController().signal) =>
      server.request(head, body, signal),
    [Symbol.asyncDispose]: () => server.stop()
  }
}

export async function unixSide(
  clock: Clock = new SystemClock(),
  requestBytesMax = REQUEST_BYTES_MAX
): Promise<AppSide> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-ipc-'))
  const path = join(directory, 'parley.sock')
  const server = new UnixAppServer(
    { path, mode: 0o600, group: undefined, requestBytesMax, connectionCountMax: 100, requestTimeoutMs: 5_000 },
    clock
  )
  return {
    server,
    open: (encoding, headers) => openWebSocket(path, encoding, headers),
    request: (head, body, signal) => sendRequest(path, head, body, signal),
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(directory, { recursive: true })
    }
  }
}

async function openWebSocket(path: string, encoding: Encoding, headers: RequestHead['headers'] = {}): Promise<AppEnd> {
  const socket = new WebSocket('ws://parley/rpc', [`parley.v1.${encoding}`], {
    createConnection: () => connect(path),
    headers: headers as Record<string, string>,
    perMessageDeflate: false
  })
  const incoming = new Incoming()
  const { promise: closed, resolve } = Promise.withResolvers<AppConnectionEnd>()
  socket.on('message', data => incoming.put(new Uint8Array(data as Buffer)))
  socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  const refused = new Promise<never>((_, reject) => {
    socket.on('unexpected-response', (_request, response) => {
      reject(new DaemonError('FORBIDDEN', 'refused', { data: { status: response.statusCode } }))
      response.resume()
    })
    // After the opening an error is followed by the end, which is what tests look at.
    socket.on('error', reject)
  })
  await Promise.race([once(socket, 'open'), refused])
  refused.catch(() => undefined)
  return {
    closed,
    next: () => incoming.next(),
    send: data => socket.send(data),
    close: () => socket.close(1000),
    pause: () => socket.pause(),
    resume: () => socket.resume()
  }
}

function sendRequest(
  path: string,
  head: Omit<RequestHead, 'isUpgrade'>,
  body: Uint8Array = new Uint8Array(0),
  signal?: AbortSignal
): Promise<HttpAnswer> {
  const { method, headers } = head
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      ...{ socketPath: path, path: head.path, method, headers: headers as Record<string, string>, setHost: false },
      ...(signal !== undefined && { signal })
    })
    request.on('error', reject)
    request.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          body: new Uint8Array(Buffer.concat(chunks))
        })
      )
    })
    request.end(body)
  })
}
