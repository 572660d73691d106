import { chmod, chown, lstat, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { DaemonError } from '../errors.ts'

export interface SocketModeOptions {
  /** 0600 unless said. */
  readonly mode: number
  /** A group's name or number that the socket is given to. */
  readonly group: string | undefined
}

/** Bytes of a Unix socket's path, without the zero at its end. */
const PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103

/**
 * Makes room for a socket at `path`: its directory, made 0700 where it is not there, and no socket that nobody serves.
 *
 * @throws {DaemonError} `SOCKET_PATH_TOO_LONG` `SOCKET_FAILED` `ALREADY_RUNNING`
 */
export async function prepareSocketPath(path: string): Promise<void> {
  const length = Buffer.byteLength(path)
  if (length > PATH_BYTES_MAX) {
    throw new DaemonError('SOCKET_PATH_TOO_LONG', `${path} has ${length} bytes, ${PATH_BYTES_MAX} are possible`)
  }
  const directory = dirname(path)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const { mode } = await stat(directory)
    if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) throw new Error('others may write to it: chmod go-w it')
    const there = await lstat(path).catch(absent)
    if (there === undefined) return
    if (!there.isSocket()) throw new Error(`${path} is there and is no socket`)
  } catch (cause) {
    throw new DaemonError('SOCKET_FAILED', `${directory}: ${(cause as Error).message}`, { cause })
  }
  if (await isServed(path)) throw new DaemonError('ALREADY_RUNNING', `a daemon serves ${path}`)
  await rm(path, { force: true })
}

/** Widens the socket from 0600, with which it was made, to what is set. @throws {DaemonError} `SOCKET_FAILED` */
export async function applySocketMode(path: string, options: SocketModeOptions): Promise<void> {
  try {
    if (options.group !== undefined) await chown(path, -1, await groupId(options.group))
    if (options.mode !== 0o600) await chmod(path, options.mode)
  } catch (cause) {
    throw new DaemonError('SOCKET_FAILED', `${path}: ${(cause as Error).message}`, { cause })
  }
}

/** Whether somebody accepts connections at `path`. A socket whose server has died refuses them. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(new DaemonError('SOCKET_FAILED', `${path}: ${error.message}`, { cause: error }))
    })
  })
}

async function groupId(group: string): Promise<number> {
  if (/^\d{1,9}$/.test(group)) return Number(group)
  for (const line of (await readFile('/etc/group', 'utf8')).split('\n')) {
    const [name, , id] = line.split(':')
    if (name === group && id !== undefined) return Number(id)
  }
  throw new Error(`no group is called ${group}`)
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
