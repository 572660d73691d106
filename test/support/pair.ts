import { type Client, connect, ParleyError } from '@parley/client-sdk'
import { SystemClock } from '../../daemon/src/actor/system-clock.ts'
import { LinkProxy } from '../../daemon/src/testnet/link.ts'
import { type DaemonOptions, type DaemonProcess, startDaemon } from './daemon-process.ts'
import { makeTempHome, type TempHome } from './temp-home.ts'
import { until } from './until.ts'

/** One daemon of a pair, with a client on its socket that lives through restarts. */
export interface Side {
  readonly name: string
  readonly peer: string
  readonly home: TempHome
  daemon: DaemonProcess
  readonly client: Client
}

export interface PairOptions {
  /** Dials go through proxies that can be cut. */
  readonly isProxied?: boolean
  /** Settings for both, as `PARLEY_*` variables. */
  readonly env?: Readonly<Record<string, string>>
}

/** Two real daemons, alice and bob, that have each other's cards and are in session. */
export class Pair implements AsyncDisposable {
  readonly alice: Side
  readonly bob: Side
  readonly #env: Readonly<Record<string, string>>
  readonly #proxies: LinkProxy[] = []

  private constructor(alice: Side, bob: Side, env: Readonly<Record<string, string>>) {
    this.alice = alice
    this.bob = bob
    this.#env = env
  }

  static async start(options: PairOptions = {}): Promise<Pair> {
    const env = { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'warn', ...options.env }
    const [alice, bob] = await Promise.all([startSide('alice', 'bob', env), startSide('bob', 'alice', env)])
    const pair = new Pair(alice, bob, env)
    try {
      await alice.client.peers.add(await bob.client.card(), { name: 'bob' })
      await bob.client.peers.add(await alice.client.card(), { name: 'alice' })
      if (options.isProxied) {
        for (const side of pair.sides) await pair.redirect(side)
        // The session that is up was dialled before.
        await pair.restart(pair.bob)
      }
      await pair.inSession()
      return pair
    } catch (error) {
      await pair[Symbol.asyncDispose]()
      throw error
    }
  }

  get sides(): readonly [Side, Side] {
    return [this.alice, this.bob]
  }

  /** Dials of `side` go through a proxy of their own from now on. Changing it makes the side dial at once if it is not in session. */
  async redirect(side: Side): Promise<void> {
    const other = side === this.alice ? this.bob : this.alice
    const { listen } = await other.client.status()
    const targetPort = Number(/\/tcp\/(\d+)$/.exec(listen[0] ?? '')?.[1])
    const proxy = await LinkProxy.open({ targetHost: '127.0.0.1', targetPort, clock: new SystemClock() })
    this.#proxies.push(proxy)
    await side.client.peers.update(side.peer, [proxy.address])
  }

  cut(options: { readonly silent?: boolean } = {}): void {
    for (const proxy of this.#proxies) proxy.cut(options)
  }

  /** Bytes through the proxies come this much later, each way. */
  delay(delayMs: number): void {
    for (const proxy of this.#proxies) proxy.delay(delayMs)
  }

  heal(): void {
    for (const proxy of this.#proxies) proxy.heal()
  }

  /** Waits until both sides say that they are in one session, and nothing more is going on. */
  async inSession(timeoutMs = 20_000): Promise<void> {
    await until(
      'both sides to be in session',
      async () => (await isInSession(this.alice)) && (await isInSession(this.bob)),
      { timeoutMs }
    )
  }

  /** Waits until neither side has a session. */
  async offline(): Promise<void> {
    await until(
      'both sides to be offline',
      async () => !(await isInSession(this.alice)) && !(await isInSession(this.bob))
    )
  }

  /** Ends a daemon as a crash does, and starts it again. Resolves when it is ready; nothing is said of sessions. */
  async restart(side: Side, whileDown: () => Promise<void> = async () => {}): Promise<void> {
    await side.daemon.kill()
    await whileDown()
    side.daemon = await startDaemon({ home: side.home.path, env: this.#env })
  }

  async counter(side: Side, name: string): Promise<number> {
    return (await side.client.status()).counters[name] ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sides.map(({ client }) => client.close({ drain: false })))
    await Promise.all(this.sides.map(({ daemon }) => daemon[Symbol.asyncDispose]()))
    await Promise.all(this.#proxies.map(proxy => proxy.close()))
    for (const { home } of this.sides) home.remove()
  }
}

/** A client that has just lost its daemon knows nothing of sessions. */
async function isInSession({ client, peer }: Side): Promise<boolean> {
  try {
    return (await client.peers.get(peer)).session.state === 'established'
  } catch (error) {
    if (error instanceof ParleyError && error.code === 'DAEMON_UNREACHABLE') return false
    throw error
  }
}

async function startSide(name: string, peer: string, env: DaemonOptions['env'] & object): Promise<Side> {
  const home = makeTempHome()
  const daemon = await startDaemon({ home: home.path, args: ['--id', name], env })
  const client = await connect({ socket: daemon.socketPath })
  return { name, peer, home, daemon, client }
}
