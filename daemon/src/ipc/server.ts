import { Actor, UnexpectedMessageError } from '../actor/actor.ts'
import { supervise } from '../actor/supervisor.ts'
import { DaemonError } from '../errors.ts'
import type { Log } from '../observe/log-port.ts'
import type { Metrics } from '../observe/metrics.ts'
import { type CallId, encodeFailure, encodeResult, httpAnswer, refusal } from './answers.ts'
import type { Caller, MethodDeps } from './call.ts'
import { type ClientMessage, IpcClient } from './client.ts'
import { decodeMessage, type Encoding } from './codec.ts'
import { METHODS } from './methods/all.ts'
import { ClientClaims } from './numbered-sends.ts'
import type { AppConnection, AppServer, HttpAnswer, PagePath } from './port.ts'
import { MethodTable, RequestError, readRequest } from './rpc.ts'

export interface IpcServerDeps extends Omit<MethodDeps, 'claims' | 'stopping'> {
  readonly apps: AppServer
  readonly metrics: Metrics
  readonly log: Log
}

/** The daemon's end of the local socket. */
export interface IpcServer {
  /** @throws {DaemonError} `SOCKET_PATH_TOO_LONG` `SOCKET_FAILED` `ALREADY_RUNNING` */
  start(): Promise<void>
  /**
   * Takes no more calls, ends every subscription and waiting fetch with `SHUTTING_DOWN`, answers what is in hand within
   * `limits.shutdownTimeoutMs`, then closes.
   */
  stop(): Promise<void>
  /** Apps connected now. */
  readonly clientCount: number
}

const CLOSE_GOING_AWAY = 1001

/** Makes the server of the local socket. Nothing happens before `start`. */
export function createIpcServer(deps: IpcServerDeps): IpcServer {
  return new Server(deps)
}

class Server implements IpcServer {
  readonly #deps: IpcServerDeps
  readonly #methodDeps: MethodDeps
  readonly #methods = new MethodTable(METHODS)
  readonly #root: Actor<never>
  readonly #clients = new Set<{ readonly client: IpcClient; tell(message: ClientMessage): void }>()
  readonly #posts = new Set<Promise<unknown>>()
  readonly #stopping = new AbortController()

  constructor(deps: IpcServerDeps) {
    this.#deps = deps
    this.#methodDeps = { ...deps, claims: new ClientClaims(), stopping: this.#stopping.signal }
    deps.metrics.gauge('apps', 'Programs connected to the local socket.', () => this.#clients.size)
    deps.inbox.register(deps.metrics)
    this.#root = new Actor({ name: 'ipc', dataCountMax: 1, controlCountMax: 1 }, deps.clock, () => ({
      receive: () => {
        throw new UnexpectedMessageError('mail', 'supervising')
      }
    }))
  }

  get clientCount(): number {
    return this.#clients.size
  }

  async start(): Promise<void> {
    await this.#deps.apps.listen({
      connected: connection => this.#connected(connection),
      post: (encoding, body, signal) => this.#post(encoding, body, signal),
      page: path => this.#page(path)
    })
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    const { inbox, clock, apps, limits } = this.#deps
    inbox.endReaders()
    const clients = [...this.#clients]
    for (const client of clients) client.tell({ type: 'end-events' })
    const drained = Promise.all([...clients.map(({ client }) => client.idle()), ...this.#posts])
    const { promise: overdue, resolve } = Promise.withResolvers<void>()
    const timer = clock.timer(limits.shutdownTimeoutMs, resolve)
    await Promise.race([drained, overdue])
    timer.cancel()
    this.#root.stop('the daemon is stopping')
    await this.#root.exited
    await apps.stop()
  }

  #connected(connection: AppConnection): void {
    if (this.#stopping.signal.aborted) {
      connection.close(CLOSE_GOING_AWAY, '')
      return
    }
    const { log, limits } = this.#deps
    let entry: { client: IpcClient; tell(message: ClientMessage): void } | undefined
    supervise<ClientMessage>(this.#root as Actor<never>, {
      name: 'client',
      dataCountMax: 1,
      // An outcome for every call, the hello timer, and the word to end.
      controlCountMax: limits.callCountMax + 16,
      restart: { type: 'temporary' },
      start: self => {
        const client = new IpcClient(self, {
          connection,
          log,
          methods: this.#methods,
          deps: this.#methodDeps,
          caller: localCaller('app'),
          isStopping: () => this.#stopping.signal.aborted
        })
        entry = { client, tell: message => void self.tell(message, 'control') }
        this.#clients.add(entry)
        return client
      },
      onExit: () => {
        if (entry !== undefined) this.#clients.delete(entry)
      }
    })
  }

  async #post(encoding: Encoding, body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer> {
    if (this.#posts.size >= this.#deps.limits.postCountMax)
      return refusal(503, 'TOO_MANY_CALLS', 'too many calls are in hand')
    const answer = this.#callOnce(encoding, body, signal)
    this.#posts.add(answer)
    try {
      return httpAnswer(200, encoding, await answer)
    } finally {
      this.#posts.delete(answer)
    }
  }

  async #callOnce(encoding: Encoding, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    let id: CallId | null = null
    try {
      const request = readRequest(decodeMessage(encoding, body))
      id = request.id
      if (this.#stopping.signal.aborted) throw new DaemonError('SHUTTING_DOWN', 'the daemon is stopping')
      const call = { caller: localCaller('http'), signal, session: undefined, deps: this.#methodDeps }
      return encodeResult(encoding, id, await this.#methods.call(request, encoding, call))
    } catch (error) {
      if (error instanceof RequestError) id = error.id
      if (!(error instanceof DaemonError)) this.#deps.log.error({ err: error }, 'a call failed')
      return encodeFailure(encoding, id, error)
    }
  }

  async #page(path: PagePath): Promise<HttpAnswer> {
    try {
      return await this.#pageOf(path)
    } catch (error) {
      this.#deps.log.error({ err: error }, 'a page could not be made')
      return refusal(500, 'INTERNAL', 'the page could not be made')
    }
  }

  async #pageOf(path: PagePath): Promise<HttpAnswer> {
    const { node, metrics } = this.#deps
    switch (path) {
      case '/livez':
        return jsonPage(200, { live: true })
      case '/readyz': {
        const state = node.health()
        const isReady = state.ready && !this.#stopping.signal.aborted
        return jsonPage(isReady ? 200 : 503, { ...state, ready: isReady })
      }
      case '/metrics':
        return { status: 200, contentType: metrics.contentType, body: Buffer.from(await metrics.text()) }
    }
  }
}

/** Whoever may open the socket may do everything that its owner may. */
function localCaller(name: string): Caller {
  return { owner: 'local', name, access: 'admin' }
}

function jsonPage(status: number, page: object): HttpAnswer {
  return { status, contentType: 'application/json', body: Buffer.from(`${JSON.stringify(page)}\n`) }
}
