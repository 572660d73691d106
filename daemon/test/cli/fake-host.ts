import { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'
import type { CliHost } from '../../src/cli/context.ts'
import { runCli, runDaemonProgram } from '../../src/cli/main.ts'

export interface HostOptions {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
}

export interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Collects what is written to it. */
export class Sink extends Writable {
  #text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#text += chunk.toString()
    done()
  }

  get text(): string {
    return this.#text
  }
}

/** A process as the command line sees it, with memory streams. */
export function fakeHost(options: HostOptions & { readonly stdout?: Writable }): {
  readonly host: CliHost
  readonly out: Sink
  readonly err: Sink
} {
  const out = new Sink()
  const err = new Sink()
  const stdin = Readable.from([Buffer.from(options.stdin ?? '')])
  const host = Object.assign(new EventEmitter(), {
    argv: ['node', 'parley', ...options.args],
    env: { HOME: '/nonexistent', ...options.env },
    stdin,
    stdout: options.stdout ?? out,
    stderr: err,
    platform: process.platform,
    execPath: process.execPath,
    pid: process.pid,
    kill: (pid: number) => {
      throw Object.assign(new Error(`no process ${pid}`), { code: 'ESRCH' })
    },
    exit: (code: number) => {
      throw new Error(`exit ${code}`)
    }
  })
  return { host: host as unknown as CliHost, out, err }
}

/** Runs `parley ARGS` in this process. */
export async function parley(args: readonly string[], more: Omit<HostOptions, 'args'> = {}): Promise<CliResult> {
  const { host, out, err } = fakeHost({ args, ...more })
  const code = await runCli(host)
  return { code, stdout: out.text, stderr: err.text }
}

/** Runs `parleyd ARGS` in this process. */
export async function parleyd(args: readonly string[], more: Omit<HostOptions, 'args'> = {}): Promise<CliResult> {
  const { host, out, err } = fakeHost({ args, ...more })
  const code = await runDaemonProgram(host)
  return { code, stdout: out.text, stderr: err.text }
}
