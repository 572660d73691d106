import { ERRORS, type ErrorCode } from '@parley/client-sdk'
import { oneLine } from './text.ts'

/** What a person or a script is told when a command fails. */
export interface Failure {
  readonly code: string
  readonly message: string
  /** The cause in words, where the message does not say it. */
  readonly cause?: string
  readonly action: string
  readonly retryable: boolean
}

/** Whatever was thrown, as a failure. An error without a code of the table is `INTERNAL`. */
export function toFailure(error: unknown): Failure {
  const { code, message, action, retryable } = (error instanceof Error ? error : {}) as Partial<Failure>
  if (typeof code !== 'string' || !/^[A-Z][A-Z0-9_]*$/.test(code) || isSystemCode(code)) {
    const info = ERRORS.INTERNAL
    return { code: 'INTERNAL', message: message ?? String(error), action: info.action, retryable: false }
  }
  const info = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined
  const cause = info?.cause
  return {
    code,
    message: message ?? cause ?? code,
    ...(cause === undefined || cause === message ? {} : { cause }),
    action: (action || info?.action) ?? '',
    retryable: retryable ?? info?.retryable ?? false
  }
}

/** `parley: MESSAGE`, its cause and what to do next, each on a line of its own. */
export function failureText(program: string, failure: Failure): string {
  const lines = failure.message.split('\n').map(oneLine)
  const cause = failure.cause === undefined ? [] : [`  ${failure.cause}`]
  const action = failure.action === '' ? [] : [`  next: ${oneLine(failure.action)}`]
  return `${[`${program}: ${lines.join('\n  ')}`, ...cause, ...action].join('\n')}\n`
}

/** The same as one JSON object on one line. */
export function failureJson({ code, message, action, retryable }: Failure): string {
  return `${JSON.stringify({ error: { code, message, action, retryable } })}\n`
}

/** Codes of the operating system, such as ENOSPC, look like ours and are none. */
function isSystemCode(code: string): boolean {
  return /^E[A-Z0-9]+$/.test(code) || code.startsWith('ERR_')
}
