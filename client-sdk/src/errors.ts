import { ERRORS, type ErrorCode, type ErrorInfo } from './contract/errors.ts'

/** A code of the table, or one that a newer daemon knows. */
export type ParleyErrorCode = ErrorCode | (string & Record<never, never>)

export interface ParleyErrorOptions {
  readonly cause?: unknown
  readonly retryable?: boolean
  readonly action?: string
  readonly data?: Readonly<Record<string, unknown>>
}

/**
 * What the daemon reported, or that it could not be reached. Decide by `code`; the message is for people and may change.
 *
 * `data` holds the code's own members. Where a send ends without an answer, `data.accepted` is `'no'` (the daemon never
 * saw it) or `'unknown'` (it may have sent it); where some of a run was sent before it failed, `data.sent` counts it.
 */
export class ParleyError extends Error {
  readonly code: ParleyErrorCode
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean
  /** What to do next, for people. */
  readonly action: string
  readonly data: Readonly<Record<string, unknown>>

  constructor(code: ParleyErrorCode, message?: string, options: ParleyErrorOptions = {}) {
    const info = infoOf(code)
    super(message ?? info?.cause ?? code, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ParleyError'
    this.code = code
    this.retryable = options.retryable ?? info?.retryable ?? false
    this.action = options.action ?? info?.action ?? ''
    this.data = options.data ?? {}
  }
}

function infoOf(code: string): ErrorInfo | undefined {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined
}

/** The error with more members in its `data`. */
export function withData(error: ParleyError, data: Readonly<Record<string, unknown>>): ParleyError {
  const { code, message, cause, retryable, action } = error
  return new ParleyError(code, message, { cause, retryable, action, data: { ...error.data, ...data } })
}

/** The daemon is away. `accepted` tells whether it may have taken what was to be sent. */
export function unreachable(cause: unknown, accepted: 'no' | 'unknown'): ParleyError {
  return new ParleyError('DAEMON_UNREACHABLE', undefined, { cause, data: { accepted } })
}
