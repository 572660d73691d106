import { request } from 'node:http'

/** What a daemon's local socket answered. */
export interface SocketReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface SocketRequest {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

/**
 * One HTTP request to a daemon's local socket, with no Parley code in between.
 *
 * @returns undefined where nothing listens on the socket
 */
export function askSocket(socketPath: string, path: string, ask: SocketRequest = {}): Promise<SocketReply | undefined> {
  const { method = 'GET', headers = {}, body, signal } = ask
  const done = Promise.withResolvers<SocketReply | undefined>()
  const sent = request(
    { socketPath, path, method, agent: false, headers: { host: 'parley', ...headers }, ...(signal && { signal }) },
    reply => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', done.reject)
      reply.on('end', () => {
        done.resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(chunks).toString() })
      })
    }
  )
  sent.on('error', (error: NodeJS.ErrnoException) => {
    const absent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET'
    if (absent) done.resolve(undefined)
    else done.reject(error)
  })
  sent.end(body)
  return done.promise
}

/** One JSON-RPC call by `POST /rpc`; bytes are base64 text. */
export async function callSocket(socketPath: string, method: string, params: object = {}): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  const reply = await askSocket(socketPath, '/rpc', { method: 'POST', headers, body })
  if (reply === undefined) throw new Error(`nothing listens on ${socketPath}`)
  const answer = JSON.parse(reply.body) as { result?: unknown; error?: { message: string; data?: { code?: string } } }
  if (answer.error === undefined) return answer.result
  throw Object.assign(new Error(answer.error.message), { code: answer.error.data?.code, data: answer.error.data })
}
