import { ProtocolError, type ThemisOperation, themisStatus } from '../errors.ts'

const CODES = {
  SUCCESS: 0,
  FAIL: 11,
  INVALID_PARAMETER: 12,
  NO_MEMORY: 13,
  BUFFER_TOO_SMALL: 14,
  DATA_CORRUPT: 15,
  INVALID_SIGNATURE: 16,
  NOT_SUPPORTED: 17,
  SSESSION_SEND_OUTPUT_TO_PEER: 1,
  SSESSION_KA_NOT_FINISHED: 19,
  SSESSION_TRANSPORT_ERROR: 20,
  SSESSION_GET_PUB_FOR_ID_CALLBACK_ERROR: 21,
  SCOMPARE_SEND_OUTPUT_TO_PEER: 1,
  SCOMPARE_MATCH: 21,
  SCOMPARE_NO_MATCH: 22,
  SCOMPARE_NOT_READY: 0
} as const

/** A status number of Themis. The numbers of Secure Session and Secure Comparator overlap. */
export type ThemisErrorCode = (typeof CODES)[keyof typeof CODES]

/**
 * The status numbers of Themis by name, and, as an enumeration of TypeScript has it, the names by number.
 *
 * @see Themis src/themis/themis_error.h
 */
export const ThemisErrorCode: Readonly<typeof CODES & { [code: number]: string }> = Object.freeze({
  ...CODES,
  ...Object.fromEntries(Object.entries(CODES).map(([name, code]) => [code, name]))
})

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  0: 'success',
  11: 'failure',
  12: 'invalid parameter',
  13: 'out of memory',
  14: 'buffer too small',
  15: 'corrupted data',
  16: 'invalid signature',
  17: 'operation not supported'
}

const DESCRIPTIONS_OF_SUBSYSTEM: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  SecureComparator: {
    0: 'comparator not ready',
    1: 'send data to peer',
    21: 'data matches',
    22: 'data does not match'
  },
  SecureSession: {
    1: 'send data to peer',
    19: 'key agreement not finished',
    20: 'transport layer error',
    21: 'failed to get public key for ID'
  }
}

/**
 * What every class of the drop-in throws when Themis would give a status other than success. `cause` is the
 * `ProtocolError`, if there is one.
 */
export class ThemisError extends Error {
  readonly subsystem: string
  readonly errorCode: ThemisErrorCode

  /** @param additionalMessages - instead of the description of the code */
  constructor(subsystem: string, errorCode: ThemisErrorCode, ...additionalMessages: readonly string[]) {
    const about = additionalMessages.join(', ') || ThemisError.description(errorCode, subsystem)
    super(`Themis: ${subsystem}: ${about}`)
    this.subsystem = subsystem
    this.errorCode = errorCode
  }

  /** The same number, under the name that it has in jsthemis. */
  get code(): ThemisErrorCode {
    return this.errorCode
  }

  static description(errorCode: ThemisErrorCode, subsystem: string): string {
    const ofSubsystem = DESCRIPTIONS_OF_SUBSYSTEM[subsystem]
    return ofSubsystem?.[errorCode] ?? DESCRIPTIONS[errorCode] ?? `unknown error: ${errorCode}`
  }
}

/** Runs a call of a core, and turns what it refuses into what Themis says. Anything else is a bug, and passes as it is. */
export function asThemis<T>(subsystem: string, work: () => T, during: ThemisOperation = 'other'): T {
  try {
    return work()
  } catch (error) {
    throw themisErrorOf(subsystem, error, during)
  }
}

/** What to throw to a user of the drop-in for what a core threw. */
export function themisErrorOf(subsystem: string, error: unknown, during: ThemisOperation = 'other'): unknown {
  if (!(error instanceof ProtocolError || error instanceof RangeError)) return error
  const themisError = new ThemisError(subsystem, themisStatus(error, during) as ThemisErrorCode)
  themisError.cause = error
  return themisError
}

/** The error for an argument that has the right type and a wrong value. */
export function invalidParameter(subsystem: string, message: string): ThemisError {
  return new ThemisError(subsystem, ThemisErrorCode.INVALID_PARAMETER, message)
}
