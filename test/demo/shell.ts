import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { repositoryPath } from '../support/machine.ts'
import { within } from '../support/until.ts'

export interface CommandOutcome {
  /** What it printed, standard output and standard error as they came. Of a job in the background, what had come by then. */
  readonly output: string
  readonly exitCode: number
}

/** Ends a command's output; no program prints it. */
const MARK = '\x1e'
const COMMAND_TIMEOUT_MS = 60_000

/**
 * A shell into which commands are pasted, one after the other, in the folder of the repository. What they start finds an empty standard
 * input, and so does not take the next command for its own.
 */
export class Shell {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #output = ''
  #onOutput: (() => void) | undefined

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#child = spawn('bash', ['-s'], { cwd: repositoryPath, env: { ...env }, stdio: 'pipe' })
    this.#exited = once(this.#child, 'close')
    // A shell that has ended is told by the command that waits for it.
    this.#child.stdin?.on('error', () => {})
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#onOutput?.()
      })
    }
    this.#child.stdin?.write('exec 2>&1\n')
  }

  /** Runs a command to its end. @throws {Error} when it does not end within a minute, or the shell does */
  async run(command: string): Promise<CommandOutcome> {
    const found = Promise.withResolvers<CommandOutcome>()
    this.#onOutput = () => {
      const match = new RegExp(`${MARK}(\\d+)\\n`).exec(this.#output)
      if (match === null) return
      const output = this.#output.slice(0, match.index)
      this.#output = this.#output.slice(match.index + match[0].length)
      found.resolve({ output, exitCode: Number(match[1]) })
    }
    this.#child.stdin?.write(`{ ${command}\n} < /dev/null\nprintf '\\036%d\\n' $?\n`)
    const ended = this.#exited.then(() => Promise.reject(new Error(`the shell ended at: ${command}`)))
    return within(`the end of: ${command}`, COMMAND_TIMEOUT_MS, Promise.race([found.promise, ended]))
  }

  /** Whether the shell finds a program. */
  async has(program: string): Promise<boolean> {
    return (await this.run(`command -v ${program} > /dev/null`)).exitCode === 0
  }

  /** Ends the shell. What it left in the background goes on. */
  async close(): Promise<void> {
    this.#child.stdin?.end()
    this.#child.kill('SIGTERM')
    await this.#exited
  }
}
