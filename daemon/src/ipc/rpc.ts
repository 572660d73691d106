import { DaemonError } from '../errors.ts'
import type { CallId } from './answers.ts'
import type { Access, Call, Method } from './call.ts'
import { type Encoding, fromBase64 } from './codec.ts'

/** One JSON-RPC call as it came. */
export interface RpcRequest {
  readonly id: CallId
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** What was sent is no call; `id` where it can still be told. */
export class RequestError extends DaemonError {
  readonly id: CallId | null

  constructor(id: CallId | null, message: string) {
    super('INVALID_REQUEST', message)
    this.id = id
  }
}

const MEMBERS = new Set(['jsonrpc', 'id', 'method', 'params'])
const ID_LENGTH_MAX = 128
const RANK: Readonly<Record<Access, number>> = { read: 0, send: 1, admin: 2 }

/** Reads a decoded message as a call. @throws {RequestError} */
export function readRequest(message: unknown): RpcRequest {
  if (Array.isArray(message)) throw new RequestError(null, 'batches are not taken: send the calls one by one')
  if (!isRecord(message)) throw new RequestError(null, 'a call is an object')
  const { jsonrpc, id, method, params = {} } = message
  if (id === undefined) throw new RequestError(null, 'notifications are not taken: give the call an id')
  if (!isCallId(id)) throw new RequestError(null, 'an id is an integer or a short text')
  if (jsonrpc !== '2.0') throw new RequestError(id, 'jsonrpc must be "2.0"')
  if (typeof method !== 'string') throw new RequestError(id, 'method must be text')
  if (!isRecord(params)) throw new RequestError(id, 'params must be an object')
  const unknown = Object.keys(message).find(name => !MEMBERS.has(name))
  if (unknown !== undefined) throw new RequestError(id, 'a call has no members but jsonrpc, id, method and params')
  return { id, method, params }
}

/** The methods by name. */
export class MethodTable {
  readonly #methods = new Map<string, Method>()

  /** @throws {Error} when two have one name */
  constructor(methods: readonly Method[]) {
    for (const method of methods) {
      if (this.#methods.has(method.name)) throw new Error(`two methods are called ${method.name}`)
      this.#methods.set(method.name, method)
    }
  }

  /**
   * Calls a method, whose work starts on this stack: calls made one after the other begin in that order.
   *
   * @throws {DaemonError} `METHOD_NOT_FOUND` `FORBIDDEN` `INVALID_PARAMS`, and what the method throws
   */
  call(request: RpcRequest, encoding: Encoding, call: Call): object | Promise<object> {
    const method = this.#methods.get(request.method)
    if (method === undefined) throw new DaemonError('METHOD_NOT_FOUND', 'there is no such method')
    if (RANK[method.access] > RANK[call.caller.access]) {
      throw new DaemonError('FORBIDDEN', `${method.name} needs ${method.access} access`)
    }
    return method.call(encoding === 'json' ? withBytes(request.params, method) : request.params, call)
  }
}

/** JSON's parameters with base64 texts turned into bytes where bytes are expected. */
function withBytes(params: RpcRequest['params'], { byteLists, bytes }: Method): RpcRequest['params'] {
  if (byteLists.length === 0 && bytes.length === 0) return params
  const copy: Record<string, unknown> = { ...params }
  for (const name of byteLists) {
    const list = params[name]
    if (Array.isArray(list)) copy[name] = list.map(item => bytesOf(item, `${name}: must be base64 texts, with padding`))
  }
  for (const name of bytes) {
    if (params[name] !== undefined) copy[name] = bytesOf(params[name], `${name}: must be base64 text, with padding`)
  }
  return copy
}

function bytesOf(value: unknown, complaint: string): Uint8Array {
  const bytes = typeof value === 'string' ? fromBase64(value) : undefined
  if (bytes === undefined) throw new DaemonError('INVALID_PARAMS', complaint)
  return bytes
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function isCallId(id: unknown): id is CallId {
  return Number.isSafeInteger(id) || (typeof id === 'string' && id.length <= ID_LENGTH_MAX)
}
