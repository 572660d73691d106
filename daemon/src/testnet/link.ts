import { connect, createServer, type Server, type Socket } from 'node:net'

const HOST = '127.0.0.1'
/** What one direction of one connection holds while it is delayed, or while its receiver is slow. Beyond it the sender waits. */
const HELD_BYTES_MAX = 1024 * 1024

/** What a link needs of the daemon's clock: time and timers, in milliseconds. */
export interface LinkClock {
  monotonicMs(): number
  timer(delayMs: number, run: () => void): { cancel(): void }
}

export interface LinkProxyOptions {
  readonly targetHost: string
  readonly targetPort: number
  readonly clock: LinkClock
}

/** Bytes since the proxy was opened, towards the target and back. */
export interface LinkProxyCounters {
  readonly connectionCount: number
  readonly forwardBytes: number
  readonly backwardBytes: number
  /** Taken in a silent cut, in both directions. */
  readonly swallowedBytes: number
}

export interface LinkProxyCutOptions {
  /** Accept and swallow, sending nothing, instead of resetting. */
  readonly silent?: boolean
}

/**
 * One direction of one link between two daemons: a TCP proxy on the loopback interface, that one of them dials to reach the other.
 */
export class LinkProxy {
  readonly #options: LinkProxyOptions
  readonly #server: Server
  readonly #connections = new Set<ProxiedConnection>()
  #state: 'up' | 'cut' | 'silent' = 'up'
  #delayMs = 0
  #counters = { connectionCount: 0, forwardBytes: 0, backwardBytes: 0, swallowedBytes: 0 }

  private constructor(options: LinkProxyOptions) {
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, socket => this.#accept(socket))
  }

  /** Binds a free port. */
  static async open(options: LinkProxyOptions): Promise<LinkProxy> {
    const proxy = new LinkProxy(options)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, HOST, () => {
        proxy.#server.off('error', reject)
        resolve()
      })
    })
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('the link is closed')
    return address.port
  }

  /** Where the proxy listens, for the card or the override of the daemon that dials. */
  get address(): string {
    return `/ip4/${HOST}/tcp/${this.port}`
  }

  get state(): 'up' | 'cut' | 'silent' {
    return this.#state
  }

  get delayMs(): number {
    return this.#delayMs
  }

  get counters(): LinkProxyCounters {
    return { ...this.#counters }
  }

  /**
   * Cuts the link until `heal`. Loud: what is open is reset, and so is every new connection. Silent: connections stay and are
   * accepted, their bytes and their ends are swallowed both ways, and neither side hears anything.
   */
  cut(options: LinkProxyCutOptions = {}): void {
    this.#state = options.silent === true ? 'silent' : 'cut'
    if (this.#state === 'cut') this.#resetWhere(() => true)
    else for (const connection of this.#connections) connection.swallow()
  }

  /**
   * Lets new connections pass. What lost bytes, or came in while the link was cut, is reset; other connections go on.
   *
   * @returns whether a connection that had led to the target is gone
   */
  heal(): boolean {
    this.#state = 'up'
    const isBroken = [...this.#connections].some(connection => connection.hasLoss && connection.hasTarget)
    this.#resetWhere(connection => connection.hasLoss)
    for (const connection of this.#connections) connection.pass()
    return isBroken
  }

  /** Holds every byte back for `delayMs` from now on, each way. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs
  }

  /** Resets what is open and frees the port. */
  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#resetWhere(() => true)
    await closed
  }

  #accept(socket: Socket): void {
    if (this.#state === 'cut') {
      // A reset can fail as well, when the peer was faster; there is nothing left to do then.
      socket.on('error', () => undefined)
      socket.resetAndDestroy()
      return
    }
    this.#counters.connectionCount += 1
    const connection: ProxiedConnection = new ProxiedConnection(socket, {
      clock: this.#options.clock,
      delayMs: () => this.#delayMs,
      forwarded: bytes => {
        this.#counters.forwardBytes += bytes
      },
      backwarded: bytes => {
        this.#counters.backwardBytes += bytes
      },
      swallowed: bytes => {
        this.#counters.swallowedBytes += bytes
      },
      over: () => this.#connections.delete(connection)
    })
    this.#connections.add(connection)
    if (this.#state === 'silent') connection.swallowAll()
    else connection.connect(this.#options.targetHost, this.#options.targetPort)
  }

  #resetWhere(matches: (connection: ProxiedConnection) => boolean): void {
    for (const connection of [...this.#connections]) if (matches(connection)) connection.reset()
  }
}

interface ProxiedConnectionDeps {
  readonly clock: LinkClock
  delayMs(): number
  forwarded(bytes: number): void
  backwarded(bytes: number): void
  swallowed(bytes: number): void
  over(): void
}

/** A connection of the dialler and, where the link is up, one to the target. */
class ProxiedConnection {
  readonly #deps: ProxiedConnectionDeps
  readonly #near: Socket
  #far: Socket | undefined
  #pipes: Pipe[] = []
  #isSwallowing = false
  #isOver = false
  /** Something was swallowed that cannot come back. */
  hasLoss = false

  constructor(near: Socket, deps: ProxiedConnectionDeps) {
    this.#deps = deps
    this.#near = near
    this.#watch(near)
  }

  get hasTarget(): boolean {
    return this.#far !== undefined
  }

  connect(host: string, port: number): void {
    const far = connect({ host, port, allowHalfOpen: true, noDelay: true })
    this.#far = far
    this.#watch(far)
    const { forwarded, backwarded } = this.#deps
    this.#pipes = [this.#pipe(this.#near, far, forwarded), this.#pipe(far, this.#near, backwarded)]
  }

  /** Accepts a connection that leads nowhere. */
  swallowAll(): void {
    this.#isSwallowing = true
    this.hasLoss = true
    this.#near.on('data', chunk => this.#deps.swallowed(chunk.byteLength))
  }

  swallow(): void {
    this.#isSwallowing = true
    for (const pipe of this.#pipes) pipe.dropHeld()
  }

  pass(): void {
    this.#isSwallowing = false
  }

  reset(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const pipe of this.#pipes) pipe.stop()
    for (const socket of [this.#near, this.#far]) {
      if (socket === undefined || socket.destroyed) continue
      // Node cannot reset while an end is still on its way out.
      if (socket.writableEnded && !socket.writableFinished) socket.destroy()
      else socket.resetAndDestroy()
    }
    this.#deps.over()
  }

  #pipe(from: Socket, to: Socket, passed: (bytes: number) => void): Pipe {
    return new Pipe(from, to, {
      clock: this.#deps.clock,
      delayMs: this.#deps.delayMs,
      isSwallowing: () => this.#isSwallowing,
      passed,
      swallowed: bytes => {
        this.hasLoss = true
        this.#deps.swallowed(bytes)
      }
    })
  }

  #watch(socket: Socket): void {
    // `close` follows, with `hadError`.
    socket.on('error', () => undefined)
    socket.on('close', hadError => {
      if (this.#isOver) return
      if (this.#isSwallowing) this.hasLoss = true
      else if (hadError) this.reset()
      else if (this.#near.destroyed && (this.#far?.destroyed ?? true)) this.#finish()
    })
  }

  #finish(): void {
    this.#isOver = true
    for (const pipe of this.#pipes) pipe.stop()
    this.#deps.over()
  }
}

interface PipeDeps {
  readonly clock: LinkClock
  delayMs(): number
  isSwallowing(): boolean
  passed(bytes: number): void
  swallowed(bytes: number): void
}

/** What is held: bytes, or the end of the direction. */
interface Held {
  readonly chunk: Uint8Array | 'end'
  readonly dueMs: number
}

/** One direction of one connection, in order, each piece held for the delay that was set when it came. */
class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #deps: PipeDeps
  #held: Held[] = []
  #heldBytes = 0
  #timer: ReturnType<LinkClock['timer']> | undefined
  #isBlocked = false

  constructor(from: Socket, to: Socket, deps: PipeDeps) {
    this.#from = from
    this.#to = to
    this.#deps = deps
    from.on('data', chunk => this.#take(chunk))
    from.on('end', () => this.#take('end'))
    to.on('drain', () => {
      this.#isBlocked = false
      this.#flush()
    })
  }

  /** Gives up what is held. */
  dropHeld(): void {
    for (const { chunk } of this.#held) this.#deps.swallowed(chunk === 'end' ? 0 : chunk.byteLength)
    this.stop()
    this.#from.resume()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#held = []
    this.#heldBytes = 0
    this.#isBlocked = false
  }

  #take(chunk: Uint8Array | 'end'): void {
    const bytes = chunk === 'end' ? 0 : chunk.byteLength
    if (this.#deps.isSwallowing()) {
      this.#deps.swallowed(bytes)
      return
    }
    this.#held.push({ chunk, dueMs: this.#deps.clock.monotonicMs() + this.#deps.delayMs() })
    this.#heldBytes += bytes
    this.#flush()
    if (this.#heldBytes > HELD_BYTES_MAX) this.#from.pause()
  }

  #flush(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    while (!this.#isBlocked) {
      const next = this.#held[0]
      if (next === undefined || next.dueMs > nowMs) break
      this.#held.shift()
      if (next.chunk === 'end') {
        this.#to.end()
      } else {
        this.#heldBytes -= next.chunk.byteLength
        this.#deps.passed(next.chunk.byteLength)
        this.#isBlocked = !this.#to.write(next.chunk)
      }
    }
    if (this.#heldBytes <= HELD_BYTES_MAX && this.#from.isPaused()) this.#from.resume()
    const next = this.#held[0]
    if (next === undefined || this.#isBlocked || this.#timer !== undefined) return
    this.#timer = this.#deps.clock.timer(next.dueMs - nowMs, () => {
      this.#timer = undefined
      this.#flush()
    })
  }
}
