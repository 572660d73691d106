import { Client } from './client.ts'
import { type Clock, systemClock, systemRandom } from './clock.ts'
import { type FindSocketOptions, socketPaths } from './find-socket.ts'
import { Link } from './link.ts'
import type { OpenSocket } from './socket.ts'
import { SDK_VERSION } from './version.ts'
import { openWebSocket } from './ws-socket.ts'

const CONNECT_TIMEOUT_MS = 10_000

export interface ConnectOptions extends FindSocketOptions {
  /** Try until a daemon answers, instead of failing at once. */
  readonly wait?: boolean | undefined
  /** Ends the attempt to connect, and nothing later. */
  readonly signal?: AbortSignal | undefined
  /** What the daemon's log calls this program. */
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** How a connection is made: a WebSocket on the Unix socket unless given. */
  readonly open?: OpenSocket | undefined
  readonly clock?: Clock | undefined
  /** Random numbers from 0 up to 1, which spread attempts to reconnect. */
  readonly random?: (() => number) | undefined
  /** For one attempt to connect, 10 s unless given. */
  readonly connectTimeoutMs?: number | undefined
}

/**
 * Connects to the daemon of this host.
 *
 * The client reconnects by itself, with pauses of up to a second, until it is closed.
 *
 * @throws {ParleyError} `DAEMON_UNREACHABLE` at once when no daemon answers, unless `wait`; `VERSION_MISMATCH`; `SOCKET_PATH_TOO_LONG`;
 * the signal's reason
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const clock = options.clock ?? systemClock
  const link = new Link({
    paths: socketPaths(options),
    open: options.open ?? openWebSocket,
    clock,
    random: options.random ?? systemRandom,
    client: { name: options.name ?? 'client-sdk', version: options.version ?? SDK_VERSION },
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  })
  await link.start(options.wait ?? false, options.signal)
  return new Client(link, clock)
}
