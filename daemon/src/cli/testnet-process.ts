import { spawn } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { createConnection } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { ParleyError } from '@parley/client-sdk'
import type { CommandContext } from './context.ts'

// The far end is `daemon/src/testnet/main.ts`: a process that keeps a test network up and answers one line of JSON with another.

export interface TestnetNode {
  readonly name: string
  readonly state: string
  readonly pid: number | null
  readonly sessions: number
  readonly home: string
}

export interface TestnetLink {
  readonly a: string
  readonly b: string
  readonly state: string
  readonly delayMs: number
}

export interface TestnetInfo {
  readonly dir: string
  readonly pid: number
  readonly nodes: readonly TestnetNode[]
  readonly links: readonly TestnetLink[]
}

interface Failure {
  readonly code: string
  readonly message: string
  readonly action?: string
}

const REPLY_LENGTH_MAX = 256 * 1024 * 1024

/**
 * Starts such a process, and resolves with the first that it says. It goes on after this one; INT and TERM meanwhile stop it.
 *
 * @param order - what it is to do, with `dir`
 */
export async function startTestnetProcess<T>(cli: CommandContext, order: object): Promise<T> {
  const { testnetFile } = await cli.offline()
  const child = spawn(cli.host.execPath, [testnetFile, JSON.stringify(order)], {
    cwd: '/',
    detached: true,
    env: { ...cli.host.env },
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let isStopped = false
  const stop = (): void => {
    isStopped = true
    child.kill('SIGTERM')
  }
  cli.host.on('SIGINT', stop)
  cli.host.on('SIGTERM', stop)
  try {
    return await replyFrom<T>(child.stdout)
  } catch (error) {
    if (!isStopped || error instanceof ParleyError) throw error
    throw new ParleyError('STOPPED', 'The test network was stopped while it started.', { cause: error })
  } finally {
    cli.host.off('SIGINT', stop)
    cli.host.off('SIGTERM', stop)
    child.unref()
  }
}

/** Asks the test network of a folder. @throws {ParleyError} `NO_SUCH_TESTNET` `FORBIDDEN`, and what it answers */
export async function askTestnet<T>(dir: string, method: string, params: object): Promise<T> {
  assertOwn(dir)
  const socket = createConnection(join(dir, 'control.sock'))
  const connected = Promise.withResolvers<void>()
  socket.once('connect', connected.resolve).once('error', connected.reject)
  try {
    await connected.promise
  } catch (cause) {
    throw new ParleyError('NO_SUCH_TESTNET', `No test network runs in ${dir}.`, { cause })
  }
  socket.write(`${JSON.stringify({ method, params })}\n`)
  return replyFrom<T>(socket)
}

/** The first line, with which the stream is done. */
async function replyFrom<T>(input: Readable): Promise<T> {
  let text = ''
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk
    if (text.endsWith('\n') || text.length > REPLY_LENGTH_MAX) break
  }
  if (!text.endsWith('\n')) throw new Error('the process of the test network ended without an answer')
  const reply = JSON.parse(text) as { readonly result: T } | { readonly error: Failure }
  if ('result' in reply) return reply.result
  const { code, message, action } = reply.error
  throw new ParleyError(code, message, action === undefined ? {} : { action })
}

/** In a shared temporary folder somebody else may have been first. */
function assertOwn(dir: string): void {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  if (found === undefined || found.uid === userInfo().uid) return
  throw new ParleyError('FORBIDDEN', `${dir} is somebody else's.`, { action: 'Name another folder with --dir.' })
}
