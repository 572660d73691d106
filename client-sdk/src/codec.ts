import { decode, encode } from 'cborg'
import type { MethodName, NotificationName, Notifications, Params } from './contract/methods.ts'
import { ParleyError } from './errors.ts'

export type CallId = number

/** What a daemon sends: the answer to a call, or a notification. */
export type Incoming =
  | { readonly kind: 'result'; readonly id: CallId; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: CallId; readonly error: ParleyError }
  | { readonly kind: 'notification'; readonly method: string; readonly params: unknown }

/** A notification of the contract, told apart by `method`. */
export type Notification = {
  [N in NotificationName]: { readonly method: N; readonly params: Notifications[N] }
}[NotificationName]

const ENCODE = { ignoreUndefinedProperties: true } as const
const DECODE = {
  strict: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  allowNaN: false,
  allowInfinity: false
} as const

/**
 * One JSON-RPC 2.0 call as CBOR. Members of `params` that are undefined are left out; bytes are copied.
 *
 * @throws {RangeError} when a number is not a safe integer: the daemon would take the whole message for damaged
 */
export function encodeCall<M extends MethodName>(id: CallId, method: M, params: Params<M>): Uint8Array {
  assertIntegers(params, method)
  return encode({ jsonrpc: '2.0', id, method, params }, ENCODE)
}

/**
 * Reads one message of the daemon.
 *
 * @throws {ParleyError} `PARSE_ERROR` when it is not one strict CBOR item that is an answer or a notification
 */
export function decodeIncoming(data: Uint8Array): Incoming {
  const message = decodeObject(data)
  if (message['jsonrpc'] !== '2.0') throw malformed('no JSON-RPC version')
  const id = message['id']
  if (id === undefined) {
    if (typeof message['method'] !== 'string') throw malformed('neither an answer nor a notification')
    if (!isObject(message['params'])) throw malformed('a notification without parameters')
    return { kind: 'notification', method: message['method'], params: message['params'] }
  }
  const error = message['error'] === undefined ? undefined : readError(message['error'])
  if (id === null) throw new ParleyError('PARSE_ERROR', 'The daemon could not read a call.', { cause: error })
  if (!Number.isSafeInteger(id)) throw malformed('an ID that was never given')
  if (error !== undefined) return { kind: 'error', id: id as CallId, error }
  if (message['result'] === undefined) throw malformed('no result')
  return { kind: 'result', id: id as CallId, result: message['result'] }
}

function assertIntegers(params: object, path: string): void {
  for (const [name, value] of Object.entries(params)) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError(`${path}.${name} is no integer`)
    if (isObject(value)) assertIntegers(value, `${path}.${name}`)
  }
}

function decodeObject(data: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = decode(data, DECODE)
  } catch (cause) {
    throw new ParleyError('PARSE_ERROR', 'The daemon sent what is not CBOR of the contract.', { cause })
  }
  if (!isObject(value)) throw malformed('no object')
  return value
}

function readError(error: unknown): ParleyError {
  if (!isObject(error)) throw malformed('an error that is no object')
  const { code, retryable, action, ...data } = isObject(error['data']) ? error['data'] : {}
  const message = typeof error['message'] === 'string' ? error['message'] : undefined
  return new ParleyError(typeof code === 'string' ? code : 'INTERNAL', message, {
    data,
    ...(typeof retryable === 'boolean' && { retryable }),
    ...(typeof action === 'string' && { action })
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function malformed(what: string): ParleyError {
  return new ParleyError('PARSE_ERROR', `The daemon sent a message with ${what}.`)
}
