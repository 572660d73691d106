import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parleydFile } from '../offline.ts'
import { logFileOf } from './home.ts'

/** Compiled programs, from the sources as well as from the build. */
const built = (name: string): URL => new URL(`../../dist/testnet/${name}`, import.meta.url)
const hostFile = fileURLToPath(built('host.js'))
const leash = ['--import', built('leash.js').href]

export interface SlotOptions {
  /** Whether several daemons may run here at once. */
  readonly isShared: boolean
  readonly env: Readonly<Record<string, string>>
}

/** Where daemons run: a process of their own for one, or a process for several. The process is there while a daemon is to run. */
export class Slot {
  readonly #options: SlotOptions
  /** By home: who waits for the end of its daemon. */
  readonly #ends = new Map<string, (how: string) => void>()
  #child: ChildProcess | undefined

  constructor(options: SlotOptions) {
    this.#options = options
  }

  get isShared(): boolean {
    return this.#options.isShared
  }

  /** Of the process, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Whether a daemon that was started here for this home has not ended. */
  has(home: string): boolean {
    return this.#ends.has(home)
  }

  /** Starts the daemon of a home. Resolves once it has ended, saying how. */
  run(home: string): Promise<string> {
    const end = Promise.withResolvers<string>()
    this.#ends.set(home, end.resolve)
    const logFile = logFileOf(home)
    if (!this.isShared) {
      this.#spawn(home, [...leash, parleydFile, '--home', home, '--log-file', logFile])
      return end.promise
    }
    if (this.#child === undefined) this.#spawn(home, [hostFile])
    // Where it cannot be sent the process has ended, and that is told by its exit.
    this.#child?.send({ home, logFile }, () => undefined)
    return end.promise
  }

  /** Sends a signal to the process that was started here, and to no other. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Ends the process, in which no daemon is left, and resolves when it is gone. */
  async end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const gone = Promise.withResolvers<void>()
    child.once('exit', () => gone.resolve())
    child.kill('SIGKILL')
    await gone.promise
  }

  #spawn(home: string, args: readonly string[]): void {
    const log = openSync(logFileOf(home), 'a', 0o600)
    const child = spawn(process.execPath, args, {
      cwd: '/',
      env: { HOME: homedir(), ...this.#options.env },
      stdio: ['ignore', 'ignore', log, 'ipc']
    })
    closeSync(log)
    this.#child = child
    child.on('message', ({ home, code }: { home: string; code: number }) => this.#ended(home, `exit code ${code}`))
    child.on('error', error => {
      if (child.pid === undefined) this.#gone(child, error.message)
    })
    child.on('exit', (code, signal) => this.#gone(child, signal ?? `exit code ${code}`))
  }

  #gone(child: ChildProcess, how: string): void {
    if (this.#child === child) this.#child = undefined
    for (const home of [...this.#ends.keys()]) this.#ended(home, how)
  }

  #ended(home: string, how: string): void {
    const resolve = this.#ends.get(home)
    this.#ends.delete(home)
    resolve?.(how)
  }
}
