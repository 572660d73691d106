import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Client, connect, ParleyError } from '@parley/client-sdk'
import { clock, pause } from '../offline.ts'
import { askStatus, deadline, shutDown, whenReady } from './daemon-socket.ts'
import { logTailOf, makeHome } from './home.ts'
import { LinkProxy } from './link.ts'
import { isAlive } from './liveness.ts'
import type { SettingValue } from './options.ts'
import type { Slot } from './slot.ts'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 15_000
const LOOK_INTERVAL_MS = 20
const HOST = '127.0.0.1'

/** What a node is doing: `silent` is a process that does not answer, such as a suspended one. */
export interface TestNodeStatus {
  readonly name: string
  readonly home: string
  readonly socket: string
  readonly state: 'up' | 'starting' | 'silent' | 'down'
  /** Of the process that answers, which may have been started by hand; null where none does. */
  readonly pid: number | null
  /** Contacts in session. */
  readonly sessions: number
  /** Of the contacts. */
  readonly peers: number
  /** How the daemon that the test network started last has ended, where it has: `SIGKILL`, `exit code 0`. */
  readonly ended: string | null
}

/** One node of a test network: a real daemon with a home of its own. Made by `Testnet.start`. */
export class TestNode {
  readonly name: string
  /** `parley --home HOME …` speaks to it. */
  readonly home: string
  readonly socket: string
  readonly #slot: Slot
  readonly #clients = new Set<Client>()
  #frontDoor: LinkProxy | undefined
  #nodeId: string | undefined
  #port = 0
  #ended: string | null = null
  #end: Promise<string> | undefined

  constructor(name: string, dir: string, slot: Slot) {
    this.name = name
    this.home = join(dir, name)
    this.socket = join(this.home, 'parley.sock')
    this.#slot = slot
  }

  /** Of the process in which the test network runs this node, undefined while it does not. */
  get pid(): number | undefined {
    return this.#slot.has(this.home) ? this.#slot.pid : undefined
  }

  /** Its libp2p node ID. */
  get nodeId(): string {
    if (this.#nodeId === undefined) throw new TypeError(`${this.name} was never up`)
    return this.#nodeId
  }

  /** Where it listens itself, behind its proxies. */
  get port(): number {
    return this.#port
  }

  /**
   * Connects a program to this node. It is closed with the test network at the latest.
   *
   * @throws {ParleyError} `DAEMON_UNREACHABLE` and others of the SDK's `connect`
   */
  async connect(options: { readonly wait?: boolean; readonly signal?: AbortSignal } = {}): Promise<Client> {
    const client = await connect({ ...options, socket: this.socket })
    this.#clients.add(client)
    return client
  }

  /**
   * Starts the daemon of this home, on the port and with the contacts that it had, and resolves when it is ready.
   *
   * @throws {ParleyError} `ALREADY_RUNNING`; `TIMED_OUT`; `DAEMON_UNREACHABLE` where it ended at once, with the end of its log
   */
  async start(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#slot.has(this.home)) throw new ParleyError('ALREADY_RUNNING', `${this.name} is running.`)
    const failed = new AbortController()
    this.#ended = null
    this.#end = this.#slot.run(this.home).then(how => {
      this.#ended = how
      const message = `${this.name} has ended (${how}): ${logTailOf(this.home)}`
      failed.abort(new ParleyError('DAEMON_UNREACHABLE', message))
      return how
    })
    const others = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal])
    using late = deadline(START_TIMEOUT_MS, `${this.name} was not ready in ${START_TIMEOUT_MS} ms.`, others)
    const client = await whenReady(this.socket, late.signal)
    try {
      const { nodeId, listen } = await client.status({ signal: late.signal })
      this.#nodeId = nodeId
      // The home keeps its port, unless another program took it in the meantime.
      this.#port = Number(/\/tcp\/(\d+)$/.exec(listen[0] ?? '')?.[1])
    } finally {
      await client.close({ drain: false })
    }
  }

  /**
   * Stops the daemon in good order, also one that was started in this home by hand. Nothing happens where none runs.
   *
   * One that was started here and does not end in 15 s is killed; one that was started by hand is `TIMED_OUT`.
   */
  async stop(): Promise<void> {
    const message = `The daemon of ${this.home} did not end in ${STOP_TIMEOUT_MS} ms.`
    using late = deadline(STOP_TIMEOUT_MS, message)
    try {
      if (this.#slot.has(this.home)) await this.#stopOwn(late.signal)
      else await this.#stopOther(late.signal)
    } catch (error) {
      if (!late.signal.aborted || !this.#slot.has(this.home)) throw error
      await this.kill()
    }
  }

  /**
   * Ends the process in which the test network runs this node at once, as a crash would (SIGKILL); with `perProcess` the others in it end too.
   *
   * @throws {ParleyError} `DAEMON_UNREACHABLE` when it does not run
   */
  async kill(): Promise<void> {
    if (!this.#slot.has(this.home)) {
      throw new ParleyError('DAEMON_UNREACHABLE', `${this.name} is not running here.`)
    }
    this.#slot.signal('SIGKILL')
    await this.#end
  }

  /** Asks the daemon how it is. */
  async status(): Promise<TestNodeStatus> {
    const status = await askStatus(this.socket)
    const { name, home, socket } = this
    const known = { name, home, socket, ended: this.#ended }
    if (typeof status === 'object') {
      const { pid, sessions, peers, ready } = status
      return { ...known, state: ready ? 'up' : 'starting', pid, sessions, peers: peers.length }
    }
    const isStarting = status === undefined && this.#slot.has(this.home)
    const state = isStarting ? 'starting' : status === undefined ? 'down' : 'silent'
    return { ...known, state, pid: this.pid ?? null, sessions: 0, peers: 0 }
  }

  /** Makes the home. What its card says leads nowhere before `openFrontDoor`, so that nobody goes past the links. */
  async prepare(settings: Readonly<Record<string, SettingValue>>): Promise<void> {
    this.#frontDoor = await LinkProxy.open(this.asTarget())
    this.#frontDoor.cut()
    await makeHome(this.home, { name: this.name, announce: this.#frontDoor.address, settings })
  }

  /** Lets whoever is no part of the test network reach the node by its card. */
  openFrontDoor(): void {
    this.#frontDoor?.heal()
  }

  /** The daemon as the target of a proxy, wherever it listens at the moment. */
  asTarget(): { readonly targetHost: string; readonly targetPort: number; readonly clock: typeof clock } {
    const port = (): number => this.#port
    return {
      targetHost: HOST,
      get targetPort() {
        return port()
      },
      clock
    }
  }

  /** Ends what is connected to it from outside. */
  async disconnect(): Promise<void> {
    await Promise.all([...this.#clients].map(client => client.close({ drain: false })))
    await this.#frontDoor?.close()
    this.#frontDoor = undefined
  }

  /** Removes the home with all that is in it. */
  async remove(): Promise<void> {
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 })
  }

  async #stopOwn(signal: AbortSignal): Promise<void> {
    if (this.#slot.isShared) await shutDown(this.socket, signal)
    else this.#slot.signal('SIGTERM')
    const late = Promise.withResolvers<never>()
    const abort = (): void => late.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    await Promise.race([this.#end, late.promise]).finally(() => signal.removeEventListener('abort', abort))
  }

  async #stopOther(signal: AbortSignal): Promise<void> {
    const status = await askStatus(this.socket)
    if (status === undefined) return
    await shutDown(this.socket, signal)
    while (typeof status === 'object' && isAlive(status.pid)) await pause(LOOK_INTERVAL_MS, signal)
  }
}
