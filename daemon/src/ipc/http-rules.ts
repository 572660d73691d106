import { type ErrorCode, RPC_PATH, SOCKET_HOST, SUBPROTOCOL_CBOR, SUBPROTOCOL_JSON } from '@parley/client-sdk/contract'
import type { Encoding } from './codec.ts'
import type { PagePath } from './port.ts'

/** A request's head, names of headers in lower case. */
export interface RequestHead {
  readonly method: string
  /** As on the request line. */
  readonly path: string
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  readonly isUpgrade: boolean
}

export type Verdict =
  | { readonly type: 'post'; readonly encoding: Encoding }
  | { readonly type: 'page'; readonly path: PagePath }
  | { readonly type: 'upgrade'; readonly encoding: Encoding; readonly subprotocol: string }
  | { readonly type: 'refuse'; readonly status: number; readonly code: ErrorCode; readonly detail: string }

/** In the order in which they are taken when a client offers both. */
const SUBPROTOCOLS: readonly (readonly [string, Encoding])[] = [
  [SUBPROTOCOL_CBOR, 'cbor'],
  [SUBPROTOCOL_JSON, 'json']
]

/**
 * Decides what a request may do, by its head alone. What a web page could make a browser send is refused: anything with an
 * Origin, a Host of another site, a POST with a form's content type, an upgrade without our subprotocol.
 */
export function judge(head: RequestHead): Verdict {
  const { headers, path } = head
  if (headers['origin'] !== undefined) return refuse(403, 'FORBIDDEN', 'requests with an Origin are refused')
  if (!isOwnHost(headers['host'])) return refuse(403, 'FORBIDDEN', 'Host must be parley or localhost')
  if (head.isUpgrade) return judgeUpgrade(head)
  if (path === RPC_PATH) {
    if (head.method !== 'POST') return refuse(405, 'INVALID_REQUEST', 'calls are made by POST or over a WebSocket')
    const encoding = encodingOf(headers['content-type'])
    if (encoding !== undefined) return { type: 'post', encoding }
    return refuse(415, 'INVALID_REQUEST', 'Content-Type must be application/json or application/cbor')
  }
  if (path !== '/livez' && path !== '/readyz' && path !== '/metrics')
    return refuse(404, 'METHOD_NOT_FOUND', 'no such path')
  if (head.method !== 'GET') return refuse(405, 'INVALID_REQUEST', 'pages are read by GET')
  return { type: 'page', path }
}

function judgeUpgrade(head: RequestHead): Verdict {
  if (head.path !== RPC_PATH) return refuse(404, 'METHOD_NOT_FOUND', 'no such path')
  if (head.method !== 'GET') return refuse(405, 'INVALID_REQUEST', 'a WebSocket is opened by GET')
  const offered = String(head.headers['sec-websocket-protocol'] ?? '').split(',')
  const names = offered.map(name => name.trim())
  const found = SUBPROTOCOLS.find(([name]) => names.includes(name))
  if (found !== undefined) return { type: 'upgrade', subprotocol: found[0], encoding: found[1] }
  return refuse(400, 'INVALID_REQUEST', `a WebSocket needs subprotocol ${SUBPROTOCOL_CBOR} or ${SUBPROTOCOL_JSON}`)
}

function isOwnHost(host: string | readonly string[] | undefined): boolean {
  if (typeof host !== 'string') return false
  const name = host.toLowerCase().replace(/:\d{1,5}$/, '')
  return name === SOCKET_HOST || name === 'localhost'
}

function encodingOf(contentType: string | readonly string[] | undefined): Encoding | undefined {
  const type = String(contentType ?? '').split(';', 1)[0]
  if (type === undefined) return undefined
  const name = type.trim().toLowerCase()
  return name === 'application/json' ? 'json' : name === 'application/cbor' ? 'cbor' : undefined
}

function refuse(status: number, code: ErrorCode, detail: string): Verdict {
  return { type: 'refuse', status, code, detail }
}
