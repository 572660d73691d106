/** What can be wrong with a configuration. The codes are those of the socket's contract. */
export type ConfigErrorCode = 'CONFIG_NOT_FOUND' | 'CONFIG_INVALID' | 'SOCKET_PATH_TOO_LONG'

/** One thing that is wrong, and where. */
export interface ConfigProblem {
  /** The setting as it is written in the file, such as `limits.sessionCountMax`; empty where the file as a whole is meant. */
  readonly key: string
  /** What is wrong, in words that hold no value of the configuration. */
  readonly message: string
  /** The file, or where the setting came from otherwise: `environment PARLEY_LISTEN`, `flag --listen`. */
  readonly source: string
  /** Line in the file, from 1. */
  readonly line?: number
}

/** The configuration is absent or wrong. `problems` has all that was found, in the order of the file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code: ConfigErrorCode
  readonly problems: readonly ConfigProblem[]

  constructor(code: ConfigErrorCode, problems: readonly ConfigProblem[], options: ErrorOptions = {}) {
    super(problems.map(describe).join('\n'), options)
    this.code = code
    this.problems = problems
  }
}

function describe(problem: ConfigProblem): string {
  const place = problem.line === undefined ? problem.source : `${problem.source}:${problem.line}`
  return problem.key === '' ? `${place}: ${problem.message}` : `${place}: ${problem.key}: ${problem.message}`
}
