import { currentCommit, describeMachine, type Machine } from '../support/machine.ts'
import { vmHwmBytes } from '../support/vm-hwm.ts'
import type { Proof, ProofOptions, ProofResult } from './proof.ts'

/** One proof's outcome, as it is printed: whoever reads it can repeat the run. */
export interface ProofReport extends ProofResult {
  readonly name: string
  readonly describe: string
  readonly size: ProofOptions['size']
  readonly seed: string
  readonly commit: string
  readonly machine: Machine
  readonly startedAt: string
  readonly durationMs: number
  /** The most memory of the process that ran the proof; its daemons' is in the counts where it matters. */
  readonly vmHwmBytes: number | undefined
}

/** Runs a proof and reports it. Never throws: a proof that fails to be led is one that is not ok. */
export async function report(proof: Proof, options: ProofOptions): Promise<ProofReport> {
  const { name, describe } = proof
  const startedAt = new Date()
  const start = performance.now()
  const result = await outcome(proof, options)
  return {
    name,
    describe,
    ...result,
    size: options.size,
    seed: options.seed,
    commit: currentCommit(),
    machine: describeMachine(),
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(performance.now() - start),
    vmHwmBytes: vmHwmBytes(process.pid)
  }
}

async function outcome(proof: Proof, options: ProofOptions): Promise<ProofResult> {
  if (options.signal.aborted) return { ok: false, counts: {}, notes: ['not run: the time for all proofs was over'] }
  try {
    return await proof.run(options)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { ok: false, counts: {}, notes: [text] }
  }
}
