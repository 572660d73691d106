import { isAbsolute, join, resolve } from 'node:path'
import { ConfigError } from './errors.ts'

/** What decides where things lie. */
export interface PathsInput {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `process.platform`. */
  readonly platform: string
  /** The user's home directory, for the defaults of the XDG directories. */
  readonly userHome: string
  /** `--home`; wins over `PARLEY_HOME`. */
  readonly home?: string | undefined
  /** `--config`; wins over `PARLEY_CONFIG`. */
  readonly configFile?: string | undefined
}

/** Where a daemon keeps its things. All paths are absolute. */
export interface Paths {
  /** The folder that holds all of it, or null where the XDG directories do. */
  readonly home: string | null
  /** Keys and store; mode 0700. */
  readonly stateDir: string
  /** Configuration files in the order in which they are looked for; only the first that is there is read. */
  readonly configFiles: readonly string[]
  /** Whether the first file was named by the caller, and so must be there. */
  readonly configFileNamed: boolean
  /** The socket, unless a setting names another. */
  readonly defaultSocket: string
}

export const SYSTEM_CONFIG_FILE = '/etc/parley/config.toml'

/**
 * Finds the directories: all below one home where that is given (`--home`, `PARLEY_HOME`), else those of XDG.
 *
 * Relative XDG directories are ignored, as their specification says.
 */
export function resolvePaths(input: PathsInput): Paths {
  const { PARLEY_HOME, PARLEY_CONFIG, XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR } = input.env
  const named = firstSet(input.configFile, PARLEY_CONFIG)
  const home = firstSet(input.home, PARLEY_HOME)
  if (home !== undefined) {
    const root = resolve(home)
    return {
      home: root,
      stateDir: join(root, 'state'),
      configFiles: [named === undefined ? join(root, 'config.toml') : resolve(named)],
      configFileNamed: named !== undefined,
      defaultSocket: join(root, 'parley.sock')
    }
  }
  const stateDir = join(absolute(XDG_STATE_HOME) ?? join(input.userHome, '.local', 'state'), 'parley')
  const configDir = join(absolute(XDG_CONFIG_HOME) ?? join(input.userHome, '.config'), 'parley')
  const runtimeDir = absolute(XDG_RUNTIME_DIR)
  return {
    home: null,
    stateDir,
    configFiles: named === undefined ? [join(configDir, 'config.toml'), SYSTEM_CONFIG_FILE] : [resolve(named)],
    configFileNamed: named !== undefined,
    defaultSocket: runtimeDir === undefined ? join(stateDir, 'parley.sock') : join(runtimeDir, 'parley', 'parley.sock')
  }
}

/** Most bytes in the path of a Unix socket: 107 on Linux, 103 on macOS and the BSDs. */
export function socketPathBytesMax(platform: string): number {
  return platform === 'linux' ? 107 : 103
}

/** @throws {ConfigError} `SOCKET_PATH_TOO_LONG` */
export function assertSocketPath(socket: string, platform: string, source: string): void {
  const bytes = new TextEncoder().encode(socket).length
  const most = socketPathBytesMax(platform)
  if (bytes <= most) return
  const message = `${socket} has ${bytes} bytes; this system takes at most ${most}`
  throw new ConfigError('SOCKET_PATH_TOO_LONG', [{ key: 'socket.path', message, source }])
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}

/** Empty counts as unset, as in shells and compose files. */
function firstSet(...values: readonly (string | undefined)[]): string | undefined {
  return values.find(value => value !== undefined && value !== '')
}
