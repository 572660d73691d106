import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { replayCommand, type SimulationResult, simulate } from '../simulation/simulation.ts'
import { Tally } from '../simulation/tally.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'simulation'
export const describe =
  'three daemons and their apps in one process, on a virtual clock, under every fault: nothing is lost, doubled or out of order, and nobody is told what is not so'

const WORKER = fileURLToPath(new URL('../simulation/worker.ts', import.meta.url))
/** Of one worker process, which is then replaced: what one seed leaves behind does not add up. */
const SEEDS_PER_WORKER = 100

/** A seed with a slash is one run alone, as a failing one is printed. */
export async function run(options: ProofOptions): Promise<ProofResult> {
  const { seed, size, log, signal } = options
  const summary = new Summary(log)
  if (seed.includes('/')) {
    summary.add(await simulate(seed, { trace: log }))
    return summary.result(false)
  }
  const seeds = size === 'full' ? 10_000 : 40
  const starts = Array.from({ length: Math.ceil(seeds / SEEDS_PER_WORKER) }, (_, at) => at * SEEDS_PER_WORKER)
  const work = async (): Promise<void> => {
    for (let from = starts.shift(); from !== undefined; from = starts.shift()) {
      await runWorker([seed, String(from), String(Math.min(seeds, from + SEEDS_PER_WORKER))], summary, signal)
      log(`${summary.seeds} seeds, ${summary.wrong.length} wrong`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return summary.result(size === 'full')
}

async function runWorker(args: readonly string[], summary: Summary, signal: AbortSignal): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, WORKER, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal
  })
  const closed = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) summary.add(JSON.parse(line) as SimulationResult)
  const [code] = await closed
  if (code !== 0) throw new Error(`a worker with ${args.join(' ')} ended with ${code}`)
}

class Summary {
  readonly wrong: string[] = []
  readonly #tally = new Tally()
  readonly #log: (line: string) => void
  seeds = 0

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  add({ seed, flavour, wrong, counts }: SimulationResult): void {
    this.seeds++
    this.#tally.merge(counts)
    if (wrong.length === 0) return
    this.wrong.push(`${replayCommand(seed)} (${flavour})\n  ${wrong.join('\n  ')}`)
    this.#log(`${replayCommand(seed)} (${flavour}): ${wrong[0]}`)
  }

  /** Few seeds need not meet everything. */
  result(mustMeetAll: boolean): ProofResult {
    const missing = mustMeetAll ? this.#tally.missing() : []
    return {
      ok: this.wrong.length === 0 && missing.length === 0,
      counts: { seeds: this.seeds, wrong: this.wrong.length, ...this.#tally.counts() },
      notes: [...this.wrong.slice(0, 10), ...missing.map(event => `never seen: ${event}`)]
    }
  }
}
