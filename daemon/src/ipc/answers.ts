import { ERRORS, type ErrorCode, type ErrorData, JSON_RPC_NUMBERS, JSON_RPC_OTHER } from '@parley/client-sdk/contract'
import { DaemonError } from '../errors.ts'
import { assertPlain, type Encoding, encodeMessage } from './codec.ts'
import type { HttpAnswer } from './port.ts'

/** The ID of a call; null in answers to what had none that can be read. */
export type CallId = string | number

/** A JSON-RPC error object. Only a `DaemonError` shows itself; anything else is `INTERNAL` and says no more. */
function errorObject(error: unknown): { code: number; message: string; data: ErrorData } {
  const known = error instanceof DaemonError ? error : undefined
  const code: ErrorCode = known?.code ?? 'INTERNAL'
  const { retryable, action, cause } = ERRORS[code]
  const data: ErrorData = { ...known?.data, code, retryable, action }
  return { code: JSON_RPC_NUMBERS[code] ?? JSON_RPC_OTHER, message: known?.message ?? cause, data }
}

/** The answer to a call that failed. */
export function encodeFailure(encoding: Encoding, id: CallId | null, error: unknown): Uint8Array {
  let object = errorObject(error)
  try {
    assertPlain(object, 'error')
  } catch (cause) {
    object = errorObject(cause)
  }
  return encodeMessage(encoding, { jsonrpc: '2.0', id, error: object })
}

/** The answer to a call that succeeded. @throws {TypeError} when the result has what no message carries */
export function encodeResult(encoding: Encoding, id: CallId, result: object): Uint8Array {
  assertPlain(result)
  return encodeMessage(encoding, { jsonrpc: '2.0', id, result })
}

const CONTENT_TYPE = { cbor: 'application/cbor', json: 'application/json' } as const
const NEWLINE = Uint8Array.of(0x0a)

/** A message as the answer to a request. JSON is a whole line, for terminals and for programs that read lines. */
export function httpAnswer(status: number, encoding: Encoding, message: Uint8Array): HttpAnswer {
  const body = encoding === 'json' ? Buffer.concat([message, NEWLINE]) : message
  return { status, contentType: CONTENT_TYPE[encoding], body }
}

/** The answer to a request that the header rules, or a limit, refused. */
export function refusal(status: number, code: ErrorCode, detail: string): HttpAnswer {
  return httpAnswer(status, 'json', encodeFailure('json', null, new DaemonError(code, detail)))
}
