import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyCheckout, copyModules, run as runCommand } from '../packaging/checkout.ts'
import { hostEnvironment, startAndInterrupt } from '../packaging/npm-start.ts'
import { repositoryPath } from '../support/machine.ts'
import { makeTempHome } from '../support/temp-home.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'fresh-checkout'
export const describe = "git clone, npm start, Ctrl-C and npm test, with the host's own Node and npm alone"

/** From an empty folder to a daemon that is up, everything installed and compiled on the way. */
const READY_MS_MAX = 90_000

/** `full` clones what is committed and installs everything; `short` takes the files as they are, and the packages that are here. */
export async function run({ size, log, signal }: ProofOptions): Promise<ProofResult> {
  using checkout = makeTempHome()
  using home = makeTempHome()
  if (size === 'full') {
    runCommand('git', ['clone', '--quiet', repositoryPath, checkout.path], repositoryPath)
  } else {
    copyCheckout(checkout.path)
    copyModules(checkout.path)
  }
  log('npm start')
  const { readyMs, stopMs, exitCode, output } = await startAndInterrupt(checkout.path, home.path, READY_MS_MAX)
  const started = { readyMs: Math.round(readyMs), stopMs: Math.round(stopMs), exitCode: exitCode ?? -1 }
  const notes = [...(exitCode === 0 ? [] : ['Ctrl-C did not end npm start with 0']), ...unsaid(output)]
  if (notes.length > 0) return { ok: false, counts: started, notes }
  if (size === 'short') return { ok: true, counts: started }
  log('npm test')
  const tested = await npmTest(checkout.path, home.path, signal)
  return {
    ok: tested.exitCode === 0 && tested.failedCount === 0,
    counts: { ...started, ...tested.counts },
    notes: tested.notes
  }
}

/** What a newcomer must be told, and was not. */
function unsaid(output: string): string[] {
  const told = {
    'its ID': /^id\s+\S+@\S+$/m,
    'its card': /^card\s+parley:card:\S+$/m,
    'its socket': /^socket\s+\S+\.sock$/m,
    'what to type next': /parley peer add CARD/
  }
  const missing = Object.entries(told).filter(([, pattern]) => !pattern.test(output))
  return missing.map(([what]) => `npm start did not print ${what}: ${output}`)
}

async function npmTest(path: string, home: string, signal: AbortSignal) {
  const start = performance.now()
  const npm = spawn('npm', ['test'], {
    cwd: path,
    env: hostEnvironment(home),
    signal,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let output = ''
  npm.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [exitCode] = (await once(npm, 'close')) as [number | null]
  const lastLine = output.trimEnd().split('\n').at(-1) ?? ''
  const [, passed = '0', failed = '-1', skipped = '0'] =
    /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(lastLine) ?? []
  const counts = {
    testMs: Math.round(performance.now() - start),
    testsPassedCount: Number(passed),
    testsFailedCount: Number(failed),
    testsSkippedCount: Number(skipped)
  }
  return { exitCode, failedCount: Number(failed), counts, notes: exitCode === 0 ? [] : [output.slice(-4_000)] }
}
