import { type Client, connect, ParleyError } from '@parley/client-sdk'
import type { Command } from 'commander'
import { TimedOutError } from './command-errors.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { failureJson, failureText, toFailure } from './failure.ts'
import { BrokenPipeError, Output } from './output.ts'

/** What a command sees of the process that runs it. */
export type CliHost = Pick<
  NodeJS.Process,
  'argv' | 'env' | 'stdin' | 'stdout' | 'stderr' | 'platform' | 'execPath' | 'pid' | 'on' | 'off' | 'kill' | 'exit'
>

/** Options that every command has. */
export interface GlobalOptions {
  readonly home?: string
  readonly socket?: string
  readonly json?: true
}

/** The code behind the one door, loaded when a command needs it: it brings half of the daemon with it. */
export type Offline = typeof import('../offline.ts')

/** What commands share: where they write, how they reach a daemon, and how they end. */
export class CommandContext {
  readonly host: CliHost
  readonly out: Output
  readonly err: Output
  /** Of the program, for messages: `parley` or `parleyd`. */
  readonly program: string

  #exitCode: number = EXIT.ok
  readonly #later: [Output, string][] = []

  constructor(host: CliHost, program: string) {
    this.host = host
    this.program = program
    this.out = new Output(host.stdout)
    this.err = new Output(host.stderr)
  }

  /** What the program ends with when no command fails. */
  get exitCode(): number {
    return this.#exitCode
  }

  /** Ends the program with this code once the command has returned, with nothing more said. */
  endWith(exitCode: number): void {
    this.#exitCode = exitCode
  }

  /** Keeps help text to be written by `flush`: commander writes, and then throws. */
  later(text: string): void {
    this.#later.push([this.out, text])
  }

  laterErr(text: string): void {
    this.#later.push([this.err, text])
  }

  async flush(): Promise<void> {
    for (const [output, text] of this.#later.splice(0)) {
      await output.write(text).catch((error: unknown) => {
        if (!(error instanceof BrokenPipeError)) throw error
      })
    }
  }

  /** Tells a person something; never part of what a script reads. */
  async say(text: string): Promise<void> {
    await this.sayPart(`${text}\n`)
  }

  /** The same without a line end: for a line that is drawn again and again. */
  async sayPart(text: string): Promise<void> {
    try {
      await this.err.write(text)
    } catch (error) {
      // Nobody listens to remarks: the command goes on for whoever reads its output.
      if (!(error instanceof BrokenPipeError)) throw error
    }
  }

  offline(): Promise<Offline> {
    return import('../offline.ts')
  }

  /**
   * Connects to the daemon that the options mean. Where its home's configuration puts the socket elsewhere, it is looked for there.
   *
   * @throws {ParleyError} `DAEMON_UNREACHABLE` and others of `connect`
   */
  async connect(options: GlobalOptions, more: { wait?: boolean; signal?: AbortSignal } = {}): Promise<Client> {
    const { env } = this.host
    const { home, socket } = options
    try {
      return await connect({ env, name: 'parley', ...(home && { home }), ...(socket && { socket }), ...more })
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'DAEMON_UNREACHABLE') throw error
      const isNamed = socket || (env['PARLEY_SOCKET'] && !home)
      const configured = isNamed ? undefined : await this.#configuredSocket(options)
      if (configured === undefined) throw error
      return connect({ env, name: 'parley', socket: configured, ...more })
    }
  }

  /** A signal that is aborted with `TIMED_OUT` after `timeoutMs`, unless it was cancelled. */
  async deadline(timeoutMs: number, message: string): Promise<{ readonly signal: AbortSignal; cancel(): void }> {
    const { clock } = await this.offline()
    const controller = new AbortController()
    const timer = clock.timer(timeoutMs, () => controller.abort(new TimedOutError(message)))
    return { signal: controller.signal, cancel: () => timer.cancel() }
  }

  /** Ends a command that failed: says why, and returns the exit code. */
  async fail(error: unknown, isJson: boolean): Promise<number> {
    if (error instanceof BrokenPipeError || this.out.gone.reason instanceof BrokenPipeError) return 0
    const failure = toFailure(error)
    const text = isJson ? failureJson(failure) : failureText(this.program, failure)
    try {
      await this.err.write(text)
    } catch {
      // Standard error is closed too: the exit code is all that is left to tell with.
    }
    return exitCodeOf(failure.code)
  }

  /** The `socket.path` of the configuration, where there is one. */
  async #configuredSocket(options: GlobalOptions): Promise<string | undefined> {
    const { loadSettings } = await this.offline()
    return loadSettings({ host: this.host, home: options.home }).config.socket.path
  }
}

/** The options of a command with those that every command has. */
export function optionsOf<T extends object>(command: Command): T & GlobalOptions {
  return command.optsWithGlobals<T & GlobalOptions>()
}

/** Adds examples to a command's help. Each is a command line, or a remark and a command line. */
export function addExamples(
  command: Command,
  examples: readonly (string | readonly [remark: string, line: string])[]
): void {
  const lines = examples.flatMap(example =>
    typeof example === 'string' ? [`  $ ${example}`] : [`  # ${example[0]}`, `  $ ${example[1]}`]
  )
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}
