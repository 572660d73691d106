/** What a proof is given. */
export interface ProofOptions {
  /** Where all its randomness comes from; printed with the result, so that a run can be repeated. */
  readonly seed: string
  /** `full` is what is promised; `short` is the same at a size for `npm test`. */
  readonly size: 'full' | 'short'
  /** Progress, for a person; goes to standard error. */
  readonly log: (line: string) => void
  /** Aborted when the time is over. A proof ends then, with its processes. */
  readonly signal: AbortSignal
}

/** What a proof found. A promise that was not kept is `ok: false`; an exception is a proof that could not be led. */
export interface ProofResult {
  readonly ok: boolean
  /** What was counted: messages, sessions, restarts, milliseconds. Units last in the names. */
  readonly counts: Readonly<Record<string, number>>
  /** In words, what was not kept or not measured. */
  readonly notes?: readonly string[]
}

/**
 * One promise of the project, shown at full size. A file of this folder exports these three names, and is
 * found by its file name.
 */
export interface Proof {
  readonly name: string
  /** One line: what is shown. */
  readonly describe: string
  run(options: ProofOptions): Promise<ProofResult>
}
