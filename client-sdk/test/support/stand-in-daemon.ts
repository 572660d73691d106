import { createServer, type IncomingMessage, type Server } from 'node:http'
import { decode, encode } from 'cborg'
import { type WebSocket, WebSocketServer } from 'ws'
import { JSON_RPC_OTHER } from '../../src/contract/errors.ts'
import type { MethodName, NotificationName, Notifications, Params, Result } from '../../src/contract/methods.ts'
import type { AcceptedSend, IdRange, MessageRun } from '../../src/contract/types.ts'
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
  /** Durable messages that were accepted, in order, by peer and channel. */
  readonly accepted = new Map<string, string[]>()
  /** Numbered sends that were accepted, as `node.hello` tells them. */
  numbered = new Map<number, readonly IdRange[]>()
  /** Asked before a call is looked at: where it says no, the call is lost and the connection with it. */
  hears: (method: MethodName) => boolean = () => true
  /** Asked before an answer leaves: where it says no, the answer is lost and the connection with it. */
  tells: (method: MethodName) => boolean = () => true
  /** While false its store cannot be read, and hello tells nothing of what was accepted. */
  canRead = true
  /** How many messages to a peer and channel (`bob/default`) are taken until it is full; no bound where it has no entry. */
  readonly room = new Map<string, number>()
  readonly #refused = new WeakMap<App, Set<number>>()
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
    if (!this.apps.has(app)) return
    if (!this.hears(method)) {
      app.drop()
      return
    }
    this.calls.push({ method, params })
    const answer = this.answers[method as MethodName] as ((params: unknown, app: App) => unknown) | undefined
    try {
      const result = (await answer?.(params, app)) ?? this.#usual(method, params, app)
      if (!this.tells(method)) {
        app.drop()
        return
      }
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

  #usual(method: MethodName, params: Record<string, unknown>, app: App): unknown {
    const { inbox, bootId, limits } = this
    if (method === 'node.hello') {
      const versions = { version: '0.1.0', apiMajor: 1, apiMinor: 0, features: [] }
      const numbered: AcceptedSend[] = [...this.numbered].map(([number, ids]) => ({ number, ids }))
      const accepted = this.canRead ? numbered : null
      return { clientId: 'c'.repeat(32), id: 'alice', bootId, inbox, limits, ...versions, accepted }
    }
    if (method === 'messages.send') return this.accept(params as unknown as Params<'messages.send'>, app)
    if (method === 'messages.subscribe') return { subscription: `s${this.calls.length}`, next: 1 }
    if (method === 'events.subscribe') return { subscription: `s${this.calls.length}`, cursor: `${bootId}:0` }
    return {}
  }

  /** Refuses a send because the store cannot be written. */
  refuse({ number }: Params<'messages.send'>, app: App, accepted: 'no' | 'unknown'): never {
    const refused = this.#refused.get(app) ?? new Set()
    this.#refused.set(app, refused)
    if (number !== undefined) refused.add(number)
    throw new Refusal('STORE_UNAVAILABLE', { accepted, retryable: true })
  }

  /** Accepts a numbered send once, and none behind one that was refused, as the daemon does. */
  accept(params: Params<'messages.send'>, app: App): Result<'messages.send'> {
    const { peer, channel = 'default', bodies, durable, number, previous, answeredThrough = 0 } = params
    const key = `${peer}/${channel}`
    const refused = this.#refused.get(app) ?? new Set()
    this.#refused.set(app, refused)
    const isBehind = previous !== undefined && refused.has(previous)
    const known = number === undefined ? undefined : this.numbered.get(number)
    if (known !== undefined && !isBehind) return { ids: known, expiresAt: EXPIRES_AT }
    for (const answered of this.numbered.keys()) if (answered <= answeredThrough) this.numbered.delete(answered)
    const room = this.room.get(key) ?? Number.POSITIVE_INFINITY
    if (durable !== false && (isBehind || room < bodies.length)) {
      if (number !== undefined) refused.add(number)
      throw new Refusal('QUEUE_FULL', { scope: 'lane', freeBytes: 0, retryable: true, ...(isBehind && { previous }) })
    }
    if (room !== Number.POSITIVE_INFINITY) this.room.set(key, room - bodies.length)
    if (number !== undefined) refused.delete(number)
    const ids = [{ first: `e.1.${this.#lastSeq + 1}`, count: bodies.length }]
    this.#lastSeq += bodies.length
    if (durable === false) return { ids }
    if (number !== undefined) this.numbered.set(number, ids)
    const kept = this.accepted.get(key) ?? []
    this.accepted.set(key, kept)
    kept.push(...texts(bodies))
    return { ids, expiresAt: EXPIRES_AT }
  }
}

export const EXPIRES_AT = 1_700_604_800_000

export function makeRun(run: Partial<MessageRun> & Pick<MessageRun, 'first' | 'bodies'>): MessageRun {
  const from = { contact: 'c1', from: 'bob@host', fromName: 'bob', channel: 'chat' }
  return {
    ...from,
    id: `e.1.${run.first}`,
    sentAt: 1_700_000_000_000,
    redelivered: false,
    maybeDuplicate: false,
    ...run
  }
}

export function texts(bodies: readonly Uint8Array[]): string[] {
  return bodies.map(body => Buffer.from(body).toString())
}

export function bytes(...bodies: readonly string[]): Uint8Array[] {
  return bodies.map(body => new TextEncoder().encode(body))
}
