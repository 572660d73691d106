import { describe, expect, it } from 'vitest'
import { judge, type RequestHead } from '../../src/ipc/http-rules.ts'

const POST: RequestHead = {
  method: 'POST',
  path: '/rpc',
  headers: { host: 'parley', 'content-type': 'application/json' },
  isUpgrade: false
}
const UPGRADE: RequestHead = {
  method: 'GET',
  path: '/rpc',
  headers: { host: 'parley', 'sec-websocket-protocol': 'parley.v1.cbor' },
  isUpgrade: true
}

const withHeaders = (head: RequestHead, headers: RequestHead['headers']): RequestHead => ({
  ...head,
  headers: { ...head.headers, ...headers }
})

describe('the head of a request', () => {
  const TAKEN: readonly (readonly [string, RequestHead, object])[] = [
    ['a call in JSON', POST, { type: 'post', encoding: 'json' }],
    ['a call in CBOR', withHeaders(POST, { 'content-type': 'Application/CBOR' }), { type: 'post', encoding: 'cbor' }],
    [
      'a content type with parameters',
      withHeaders(POST, { 'content-type': 'application/json; charset=utf-8' }),
      { type: 'post' }
    ],
    ['host localhost', withHeaders(POST, { host: 'localhost' }), { type: 'post' }],
    ['host localhost with a port, in capitals', withHeaders(POST, { host: 'LOCALHOST:80' }), { type: 'post' }],
    ['a page', { ...POST, method: 'GET', path: '/metrics' }, { type: 'page', path: '/metrics' }],
    ['a WebSocket with CBOR', UPGRADE, { type: 'upgrade', encoding: 'cbor', subprotocol: 'parley.v1.cbor' }],
    [
      'a WebSocket that offers more than one subprotocol',
      withHeaders(UPGRADE, { 'sec-websocket-protocol': 'chat, parley.v1.json' }),
      { type: 'upgrade', encoding: 'json', subprotocol: 'parley.v1.json' }
    ]
  ]

  it.each(TAKEN)('lets %s pass', (_case, head, verdict) => {
    expect(judge(head)).toMatchObject(verdict)
  })

  const REFUSED: readonly (readonly [string, RequestHead, number])[] = [
    ['an Origin', withHeaders(POST, { origin: 'http://localhost' }), 403],
    ['an Origin that is null', withHeaders(POST, { origin: 'null' }), 403],
    ['an Origin on an upgrade', withHeaders(UPGRADE, { origin: 'https://example.org' }), 403],
    ['an Origin on a page', withHeaders({ ...POST, method: 'GET', path: '/livez' }, { origin: '' }), 403],
    ['another host', withHeaders(POST, { host: 'example.org' }), 403],
    ['a host that only starts right', withHeaders(POST, { host: 'localhost.example.org' }), 403],
    ['no host', withHeaders(POST, { host: undefined }), 403],
    ['an address as host', withHeaders(POST, { host: '127.0.0.1' }), 403],
    ['a form', withHeaders(POST, { 'content-type': 'application/x-www-form-urlencoded' }), 415],
    ['plain text', withHeaders(POST, { 'content-type': 'text/plain' }), 415],
    ['no content type', withHeaders(POST, { 'content-type': undefined }), 415],
    ['GET where calls are made', { ...POST, method: 'GET' }, 405],
    ['OPTIONS where calls are made', { ...POST, method: 'OPTIONS' }, 405],
    ['POST where pages are', { ...POST, path: '/livez' }, 405],
    ['another path', { ...POST, path: '/' }, 404],
    ['a path with a query', { ...POST, path: '/rpc?x=1' }, 404],
    ['an upgrade without subprotocol', withHeaders(UPGRADE, { 'sec-websocket-protocol': undefined }), 400],
    ['an upgrade with another version', withHeaders(UPGRADE, { 'sec-websocket-protocol': 'parley.v2.cbor' }), 400],
    ['an upgrade elsewhere', { ...UPGRADE, path: '/livez' }, 404],
    ['an upgrade by POST', { ...UPGRADE, method: 'POST' }, 405]
  ]

  it.each(REFUSED)('is refused with %s', (_case, head, status) => {
    expect(judge(head)).toMatchObject({ type: 'refuse', status })
  })
})
