import type { ErrorCode } from '@parley/client-sdk/contract'

export interface DaemonErrorOptions extends ErrorOptions {
  /** What a program may read beside the code: names, limits. Crosses the socket, so never a secret. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** An operation failed. `code` is one of the contract's table, which also says whether to try again. */
export class DaemonError extends Error {
  override readonly name = 'DaemonError'
  readonly code: ErrorCode
  readonly data: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: DaemonErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.data = options.data ?? {}
  }
}
