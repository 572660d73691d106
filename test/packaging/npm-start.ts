import { type ChildProcess, spawn } from 'node:child_process'
import { repositoryPath } from '../support/machine.ts'
import { until, within } from '../support/until.ts'

/** An environment with none of this checkout's programs in it: the Node and npm of the host alone. */
export function hostEnvironment(home: string): Record<string, string> {
  const folders = (process.env['PATH'] ?? '').split(':').filter(folder => !folder.startsWith(repositoryPath))
  const certificates = process.env['NODE_EXTRA_CA_CERTS']
  return { PATH: folders.join(':'), HOME: home, ...(certificates && { NODE_EXTRA_CA_CERTS: certificates }) }
}

export interface StartedByNpm {
  readonly readyMs: number
  readonly stopMs: number
  /** Of npm, after Ctrl-C. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** All that was printed. */
  readonly output: string
}

/** Does what a newcomer does in a checkout: `npm start`, waits until the daemon is up, presses Ctrl-C. */
export async function startAndInterrupt(checkoutPath: string, home: string, timeoutMs: number): Promise<StartedByNpm> {
  const start = performance.now()
  // A process group of its own: a terminal sends Ctrl-C to the whole of it.
  const npm = spawn('npm', ['start'], { cwd: checkoutPath, env: hostEnvironment(home), detached: true, stdio: 'pipe' })
  const group = -(npm.pid ?? 0)
  const killGroup = (): void => {
    if (npm.exitCode === null && npm.signalCode === null) process.kill(group, 'SIGKILL')
  }
  process.on('exit', killGroup)
  try {
    const printed = collect(npm)
    await until(
      'npm start to bring up a daemon',
      () => {
        if (npm.exitCode !== null) throw new Error(`npm start ended with ${npm.exitCode}: ${printed.output}`)
        return printed.output.includes('Ctrl-C stops it')
      },
      { timeoutMs }
    )
    const readyMs = performance.now() - start
    process.kill(group, 'SIGINT')
    await within('npm start to end after Ctrl-C', 15_000, printed.closed)
    const { exitCode, signalCode: signal } = npm
    return { readyMs, stopMs: performance.now() - start - readyMs, exitCode, signal, output: printed.output }
  } finally {
    killGroup()
    process.off('exit', killGroup)
  }
}

function collect(child: ChildProcess): { output: string; readonly closed: Promise<void> } {
  const closed = Promise.withResolvers<void>()
  const printed = { output: '', closed: closed.promise }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      printed.output += text
    })
  }
  child.on('error', closed.reject)
  child.on('close', () => closed.resolve())
  return printed
}
