import { ParleyError } from '@parley/client-sdk'
import type { Methods } from '@parley/client-sdk/contract'
import type { MemoryAppServer } from '../../daemon/src/ipc/memory.ts'

/** What a call by POST came to. */
export interface Posted<M extends keyof Methods> {
  readonly result?: Methods[M]['result']
  readonly code?: string
}

/** One call by POST; undefined where no daemon is there, or none answers before `late`. */
export async function postCall<M extends keyof Methods>(
  apps: MemoryAppServer,
  method: M,
  params: object,
  late: Promise<void>
): Promise<Posted<M> | undefined> {
  const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
  const head = { method: 'POST', path: '/rpc', headers: { host: 'parley', 'content-type': 'application/json' } }
  try {
    const answering = apps.request(head, body, new AbortController().signal)
    const answer = await Promise.race([answering, late.then(() => undefined)])
    if (answer === undefined) return undefined
    const { result, error } = JSON.parse(new TextDecoder().decode(answer.body))
    return { result, code: error?.data?.code }
  } catch {
    return undefined // no daemon is there
  }
}

/** The token, and so many bytes more. */
export function bodyOf(token: string, bytes: number): Uint8Array {
  const head = Buffer.from(`${token}\n`)
  const body = new Uint8Array(head.length + bytes)
  body.set(head)
  return body
}

export function tokenOf(body: Uint8Array): string {
  const end = body.indexOf(10)
  return Buffer.from(body.subarray(0, end < 0 ? body.length : end)).toString()
}

export function idAfter(id: string, count: number): string {
  const dot = id.lastIndexOf('.')
  return `${id.slice(0, dot + 1)}${Number(id.slice(dot + 1)) + count}`
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof ParleyError && error.code === code
}
