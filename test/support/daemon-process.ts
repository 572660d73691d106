import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { askSocket } from './local-socket.ts'
import { repositoryPath } from './machine.ts'
import { until, within } from './until.ts'

/** The real entry points, as they are installed. */
export const parleyBin = join(repositoryPath, 'daemon/bin/parley.js')
export const parleydBin = join(repositoryPath, 'daemon/bin/parleyd.js')

/** The most of a process's output that is kept, the newest, in UTF-16 units. */
const OUTPUT_LENGTH_MAX = 64 * 1024 * 1024

const living = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL')
})

export interface ProcessOptions {
  /** `--home` of the command and `HOME` of the process. */
  readonly home: string
  /** Added to an environment that has `PATH` and `HOME` alone, so that nothing of the caller's leaks in. */
  readonly env?: Readonly<Record<string, string>>
  /** For Node itself, such as `--max-old-space-size=64`. */
  readonly nodeArgs?: readonly string[]
}

export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that this test started, the last 64 MiB of its output kept as text. It does not outlive this process. */
export class StartedProcess {
  readonly pid: number
  readonly exited: Promise<ProcessExit>
  readonly #child: ChildProcess
  readonly #output = { stdout: '', stderr: '' }

  constructor(file: string, args: readonly string[], options: ProcessOptions) {
    const { home, env = {}, nodeArgs = [] } = options
    this.#child = spawn(process.execPath, [...nodeArgs, file, ...args], {
      cwd: home,
      env: { PATH: process.env['PATH'] ?? '', HOME: home, ...env },
      stdio: 'pipe'
    })
    this.exited = once(this.#child, 'close').then(([code, signal]) => {
      living.delete(this.#child)
      return { code, signal } as ProcessExit
    })
    if (this.#child.pid === undefined) {
      this.exited.catch(() => {}) // what it would say is thrown here
      throw new Error(`could not start ${file} in ${home}`)
    }
    this.pid = this.#child.pid
    living.add(this.#child)
    // A process that ends while it is written to is told by `exited`.
    this.#child.stdin?.on('error', () => {})
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] = (this.#output[name] + text).slice(-OUTPUT_LENGTH_MAX)
      })
    }
  }

  /** What it printed so far. */
  get stdout(): string {
    return this.#output.stdout
  }

  get stderr(): string {
    return this.#output.stderr
  }

  get isRunning(): boolean {
    return living.has(this.#child)
  }

  /** Writes to its standard input; `end` closes it. */
  write(text: string | Uint8Array): void {
    this.#child.stdin?.write(text)
  }

  end(text?: string | Uint8Array): void {
    this.#child.stdin?.end(text)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for a line or a piece of its output. Fails as soon as the process has ended without it. */
  async printed(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    return until(
      `${pattern} in the output of process ${this.pid}`,
      () => {
        const found = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
        if (found === null && !this.isRunning) throw new Error(`ended without ${pattern}: ${this.stderr.slice(-2_000)}`)
        return found
      },
      { timeoutMs }
    )
  }

  /** Waits for a line that it prints on standard output from now on. */
  async nextLine(pattern: RegExp, timeoutMs = 60_000): Promise<string> {
    const stdout = this.#child.stdout
    if (stdout === null) throw new Error('standard output is a pipe')
    const found = Promise.withResolvers<string>()
    let rest = ''
    const onData = (text: string): void => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      const line = lines.find(one => pattern.test(one))
      if (line !== undefined) found.resolve(line)
    }
    stdout.on('data', onData)
    const ended = this.exited.then(() => Promise.reject(new Error(`ended without ${pattern}: ${this.stderr}`)))
    try {
      return await within(`${pattern} from process ${this.pid}`, timeoutMs, Promise.race([found.promise, ended]))
    } finally {
      stdout.off('data', onData)
      ended.catch(() => {}) // it ends some day
    }
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<ProcessExit> {
    this.signal('SIGKILL')
    return this.exited
  }

  /** Asks it to end as an operator would (TERM), and ends it at once where it does not within `timeoutMs`, which is an error. */
  async stop(timeoutMs = 15_000): Promise<ProcessExit> {
    this.signal('SIGTERM')
    try {
      return await within(`the end of process ${this.pid} after SIGTERM`, timeoutMs, this.exited)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.stop()
  }
}

export interface DaemonOptions extends ProcessOptions {
  /** After `up --home HOME`. */
  readonly args?: readonly string[]
  readonly readyTimeoutMs?: number
}

/** A real daemon in a process of its own: `parley up`, on loopback and a free port. */
export class DaemonProcess extends StartedProcess {
  readonly home: string
  readonly socketPath: string

  constructor(options: DaemonOptions) {
    const { home, args = [], env = {} } = options
    super(parleyBin, ['up', '--home', home, ...args], {
      ...options,
      env: { PARLEY_LISTEN: '/ip4/127.0.0.1/tcp/0', ...env }
    })
    this.home = home
    this.socketPath = join(home, 'parley.sock')
  }

  /** Resolves when `GET /readyz` says so. Fails as soon as the process has ended. */
  async ready(timeoutMs = 20_000): Promise<void> {
    const look = async (signal: AbortSignal): Promise<boolean> => {
      if (!this.isRunning) throw new Error(`the daemon ended before it was ready: ${this.stderr.slice(-2_000)}`)
      const reply = await askSocket(this.socketPath, '/readyz', { signal })
      return reply?.status === 200
    }
    await until(`the daemon of ${this.home} to be ready`, look, { timeoutMs })
  }

  /** Runs a command of `parley` against this daemon. */
  parley(args: readonly string[], options: Partial<CommandOptions> = {}): Promise<CommandResult> {
    return runParley(args, { home: this.home, ...options })
  }
}

/** Starts a daemon and waits until it is ready. The caller stops it, or holds it by `await using`. */
export async function startDaemon(options: DaemonOptions): Promise<DaemonProcess> {
  const daemon = new DaemonProcess(options)
  try {
    await daemon.ready(options.readyTimeoutMs)
    return daemon
  } catch (error) {
    if (daemon.isRunning) await daemon.kill()
    throw error
  }
}

export interface CommandOptions extends ProcessOptions {
  /** The whole of its standard input; empty unless said. */
  readonly stdin?: string | Uint8Array
  /** Ended by force after this time, which is an error; 30,000 unless said. */
  readonly timeoutMs?: number
}

export interface CommandResult extends ProcessExit {
  readonly stdout: string
  readonly stderr: string
}

/** Runs `parley ARGS` with `PARLEY_HOME` set, to its end. An exit code that is not 0 is a result, no error. */
export async function runParley(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const { stdin = '', timeoutMs = 30_000, home, env = {} } = options
  const command = new StartedProcess(parleyBin, args, { ...options, env: { PARLEY_HOME: home, ...env } })
  command.end(stdin)
  try {
    const exit = await within(`parley ${args.join(' ')}`, timeoutMs, command.exited)
    return { ...exit, stdout: command.stdout, stderr: command.stderr }
  } catch (error) {
    await command.kill()
    throw error
  }
}
