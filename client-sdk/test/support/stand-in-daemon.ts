import { createServer, type IncomingMessage, type Server } from 'node:http'
import { decode, encode } from 'cborg'
import { type WebSocket, WebSocketServer } from 'ws'
import { JSON_RPC_OTHER } from '../../src/contract/errors.ts'
import type { MethodName, NotificationName, Notifications, Params, Result } from '../../src/contract/methods.ts'
import type { MessageRun } from '../../src/contract/types.ts'
import { SUBPROTOCOL_CBOR } from '../../src/contract/version.ts'
import type { AppSocket, OpenSocket } from '../../src/socket.ts'
import { memorySocketPair } from './memory-socket.ts'

/** An answer that is an error. */
export class Refusal extends Error {
  readonly code: string
  readonly data: Readonly<Record<string, unknown>>

  constructor(code: string, data: Readonly<Record<string, unknown>> = {}) {
    super(`refused: ${code}`)
    this.code = code
    this.data = data
  }
}

type Answers = {
  [M in MethodName]?: (params: Params<M>, app: App) => Result<M> | Promise<Result<M>>
}

export interface Call {
  readonly method: MethodName
  readonly params: Record<string, unknown>
}

interface Outlet {
  send(data: Uint8Array): void
  close(): void
}

/** One connected program, as the stand-in sees it. */
export class App {
  readonly #outlet: Outlet

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  notify<N extends NotificationName>(method: N, params: Notifications[N]): void {
    this.sendRaw(encode({ jsonrpc: '2.0', method, params }))
  }

  sendRaw(data: Uint8Array): void {
    this.#outlet.send(data)
  }

  drop(): void {
    this.#outlet.close()
  }
}

export const LIMITS = {
  messageBytesMax: 1024 * 1024,
  requestBytesMax: 2 * 1024 * 1024,
  callCountMax: 256,
  callBytesMax: 16 * 1024 * 1024,
  channelBytesMax: 128
}

/**
 * Speaks the socket's contract with answers that a test sets: for what the real daemon does only when something goes wrong. Without an
 * answer of its own `messages.send` gives IDs that count up, and other methods answer with an empty object.
 */
export class StandInDaemon {
  readonly calls: Call[] = []
  readonly apps = new Set<App>()
  answers: Answers = {}
  inbox = 'inbox-1'
  bootId = 'boot-1'
  limits = LIMITS
  /** While false nobody can connect. */
  isUp = true
  connectCount = 0
  /** Called in the turn in which an answer was sent. */
  afterAnswer: ((method: MethodName) => void) | undefined
  #lastSeq = 0
  #server: Server | undefined

  /** Connects in memory. */
  readonly open: OpenSocket = async (_path, signal) => {
    signal.throwIfAborted()
    if (!this.isUp) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const [theirs, ours] = memorySocketPair()
    this.#serveMemory(ours)
    return theirs
  }

  /** Listens on a real Unix socket. */
  async listen(path: string): Promise<void> {
    const server = createServer((_request, response) => response.writeHead(404).end())
    const sockets = new WebSocketServer({
      server,
      path: '/rpc',
      handleProtocols: offered => (offered.has(SUBPROTOCOL_CBOR) ? SUBPROTOCOL_CBOR : false),
      verifyClient: ({ req }: { readonly req: IncomingMessage }) => req.headers.host === 'parley'
    })
    sockets.on('connection', socket => this.#serveWebSocket(socket))
    this.#server = server
    await new Promise<void>(resolve => server.listen(path, resolve))
  }

  async stop(): Promise<void> {
    this.goAway()
    const server = this.#server
    if (server?.listening) await new Promise(resolve => server.close(resolve))
  }

  /** Cuts every connection and takes no new one. */
  goAway(): void {
    this.isUp = false
    for (const app of this.apps) app.drop()
  }

  comeBack(next: { readonly inbox?: string; readonly bootId?: string } = {}): void {
    this.inbox = next.inbox ?? this.inbox
    this.bootId = next.bootId ?? this.bootId
    this.isUp = true
  }

  callsOf<M extends MethodName>(method: M): Params<M>[] {
    return this.calls.filter(call => call.method === method).map(call => call.params as unknown as Params<M>)
  }

  /** The one app that is connected. */
  get app(): App {
    const [app] = this.apps
    if (app === undefined) throw new Error('no app is connected')
    return app
  }

  deliver(subscription: string, run: Partial<MessageRun> & Pick<MessageRun, 'first' | 'bodies'>): void {
    this.app.notify('messages.deliver', { subscription, ...makeRun(run) })
  }

  #serveMemory(socket: AppSocket): void {
    const app = new App({ send: data => socket.send(data), close: () => socket.close(1006, '') })
    this.#connected(app)
    socket.read({ message: data => void this.#answer(app, data), closed: () => void this.apps.delete(app) })
  }

  #serveWebSocket(socket: WebSocket): void {
    const app = new App({ send: data => socket.send(data), close: () => socket.terminate() })
    this.#connected(app)
    socket.on('message', data => void this.#answer(app, data as Buffer))
    socket.on('close', () => this.apps.delete(app))
  }

  #connected(app: App): void {
    this.connectCount++
    this.apps.add(app)
  }

  async #answer(app: App, data: Uint8Array): Promise<void> {
    const { id, method, params } = decode(data, { strict: true, allowUndefined: false })
    this.calls.push({ method, params })
    const answer = this.answers[method as MethodName] as ((params: unknown, app: App) => unknown) | undefined
    try {
      const result = (await answer?.(params, app)) ?? this.#usual(method, params)
      app.sendRaw(encode({ jsonrpc: '2.0', id, result }))
      this.afterAnswer?.(method)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message } = error
      app.sendRaw(
        encode({
          jsonrpc: '2.0',
          id,
          error: { code: JSON_RPC_OTHER, message, data: { code, retryable: false, action: 'act', ...error.data } }
        })
      )
    }
  }

  #usual(method: MethodName, params: Record<string, unknown>): unknown {
    const { inbox, bootId, limits } = this
    if (method === 'node.hello') {
      const versions = { version: '0.1.0', apiMajor: 1, apiMinor: 0, features: [] }
      return { clientId: 'client-1', id: 'alice', bootId, inbox, limits, ...versions }
    }
    if (method === 'messages.send') {
      const count = (params['bodies'] as unknown[]).length
      const first = `e.1.${this.#lastSeq + 1}`
      this.#lastSeq += count
      return { ids: [{ first, count }] }
    }
    if (method === 'messages.subscribe') return { subscription: `s${this.calls.length}`, next: 1 }
    if (method === 'events.subscribe') return { subscription: `s${this.calls.length}`, cursor: `${bootId}:0` }
    return {}
  }
}

export function makeRun(run: Partial<MessageRun> & Pick<MessageRun, 'first' | 'bodies'>): MessageRun {
  const from = { contact: 'c1', from: 'bob@host', fromName: 'bob', channel: 'chat' }
  return { ...from, id: `e.1.${run.first}`, sentAt: 1_700_000_000_000, redelivered: false, ...run }
}

export function texts(bodies: readonly Uint8Array[]): string[] {
  return bodies.map(body => Buffer.from(body).toString())
}

export function bytes(...bodies: readonly string[]): Uint8Array[] {
  return bodies.map(body => new TextEncoder().encode(body))
}
