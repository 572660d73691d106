import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { ParleyError } from './errors.ts'

const SOCKET_NAME = 'parley.sock'
const SYSTEM_SOCKET = '/run/parley/parley.sock'

/** What a Unix socket's address holds, without its closing zero. */
const SOCKET_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103

export interface FindSocketOptions {
  /** The socket itself; else `PARLEY_SOCKET`. */
  readonly socket?: string | undefined
  /** A folder that holds `parley.sock`; else `PARLEY_HOME`. */
  readonly home?: string | undefined
  /** Environment variables, those of the process unless given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/**
 * The paths at which a daemon may be, in the order in which they are tried: `socket`, `parley.sock` in `home`, `PARLEY_SOCKET`,
 * `parley.sock` in `PARLEY_HOME`; `$XDG_RUNTIME_DIR/parley/`; the state directory where that variable is unset; `/run/parley/`. Where one of the first
 * four is given it is the only one, so that a program never talks to another daemon than was meant.
 *
 * @throws {ParleyError} `SOCKET_PATH_TOO_LONG`
 */
export function socketPaths(options: FindSocketOptions = {}): readonly string[] {
  // biome-ignore lint/style/noProcessEnv: a program that uses the SDK is configured by its environment; this is the one place that reads it
  const env = options.env ?? process.env
  const socket = options.socket || (options.home ? undefined : env['PARLEY_SOCKET'])
  if (socket) return [checked(socket)]
  const home = options.home || env['PARLEY_HOME']
  if (home) return [checked(join(home, SOCKET_NAME))]
  const stateDir = absolute(env['XDG_STATE_HOME']) ?? join(env['HOME'] || homedir(), '.local', 'state')
  const directory = absolute(env['XDG_RUNTIME_DIR']) ?? stateDir
  return [checked(join(directory, 'parley', SOCKET_NAME)), SYSTEM_SOCKET]
}

/** Relative XDG directories are ignored, as their specification says. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}

function checked(path: string): string {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new ParleyError('SOCKET_PATH_TOO_LONG', `${path} is longer than ${SOCKET_PATH_BYTES_MAX} bytes.`)
  }
  return path
}
