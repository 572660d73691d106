// The process behind `parley testnet`: runs one test network, and serves the commands on a socket in its folder.
//
//   node control-host.js '{"dir": "/…", "options": {"nodes": 5, …}}'
//
// Prints `{"result": …}` or `{"error": {"code", "message"}}` once, when the network is up or is not. TERM and INT stop it.
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestnetOptions } from './options.ts'
import type { TestLinkInfo } from './test-link.ts'
import type { TestNodeStatus } from './test-node.ts'
import { Testnet } from './testnet.ts'

/** What a command asks for, as one line of JSON; the answer is one line too. */
export type ControlRequest =
  | { readonly command: 'ls' }
  | { readonly command: 'cut'; readonly a: string; readonly b: string; readonly silent: boolean }
  | { readonly command: 'delay'; readonly a: string; readonly b: string; readonly delayMs: number }
  | { readonly command: 'heal'; readonly a?: string; readonly b?: string }
  | { readonly command: 'kill' | 'start' | 'stop'; readonly node: string }
  | { readonly command: 'down' }

/** How the test network is after the command. */
export interface ControlResult {
  readonly dir: string
  /** Of this process. */
  readonly pid: number
  readonly nodes: readonly TestNodeStatus[]
  readonly links: readonly TestLinkInfo[]
}

const REQUEST_BYTES_MAX = 65_536

const { dir, options } = JSON.parse(process.argv[2] ?? '{}') as { dir: string; options: TestnetOptions }
const stopping = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort())

async function answer(net: Testnet, request: ControlRequest): Promise<ControlResult> {
  switch (request.command) {
    case 'ls':
      break
    case 'cut':
      net.cut(request.a, request.b, { silent: request.silent })
      break
    case 'delay':
      net.delay(request.a, request.b, request.delayMs)
      break
    case 'heal':
      net.heal(request.a, request.b)
      break
    case 'kill':
      await net.node(request.node).kill()
      break
    case 'start':
      await net.node(request.node).start()
      break
    case 'stop':
      await net.node(request.node).stop()
      break
    case 'down':
      await net.stop()
      return { dir: net.dir, pid: process.pid, nodes: [], links: [] }
  }
  const nodes = await Promise.all(net.nodes.map(node => node.status()))
  return { dir: net.dir, pid: process.pid, nodes, links: net.links() }
}

function failureOf(error: unknown): unknown {
  const { code = 'INTERNAL', message } = error as { code?: string; message: string }
  return { error: { code, message } }
}

async function serve(net: Testnet, socket: Socket): Promise<void> {
  let text = ''
  // Left open: the answer goes the other way.
  for await (const chunk of socket.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    text += chunk
    if (text.includes('\n')) break
    if (text.length > REQUEST_BYTES_MAX) throw new Error('the request is too long')
  }
  const request = JSON.parse(text) as ControlRequest
  const reply = await answer(net, request).then(result => ({ result }), failureOf)
  await new Promise<void>(resolve => socket.end(`${JSON.stringify(reply)}\n`, resolve))
  if (request.command === 'down') stopping.abort()
}

async function main(): Promise<void> {
  const socketPath = join(dir, 'control.sock')
  const net = await Testnet.start({ ...options, dir, signal: stopping.signal })
  const server = createServer({ allowHalfOpen: true }, socket => {
    // One that hangs up early, or asks nonsense, gets no answer and harms nobody.
    serve(net, socket).catch(() => socket.destroy())
  })
  const down = Promise.withResolvers<void>()
  stopping.signal.addEventListener('abort', () => down.resolve())
  try {
    await rm(socketPath, { force: true })
    server.listen(socketPath)
    await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
    await chmod(socketPath, 0o600)
    process.stdout.write(`${JSON.stringify({ result: await answer(net, { command: 'ls' }) })}\n`)
    if (!stopping.signal.aborted) await down.promise
  } finally {
    server.close()
    await rm(socketPath, { force: true })
    await net.stop()
  }
}

try {
  await main()
  process.exit(0)
} catch (error) {
  process.stdout.write(`${JSON.stringify(failureOf(error))}\n`, () => process.exit(1))
}
