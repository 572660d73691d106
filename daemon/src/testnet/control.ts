import { lstatSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import type { TestLinkInfo } from './test-link.ts'
import type { TestNodeStatus } from './test-node.ts'

// How commands speak to the process that keeps a test network up: one line of JSON each way, on a Unix socket in its folder.

/** What such a process can be asked. */
export interface ControlMethods {
  ls: { params: Empty; result: TestnetInfo }
  cut: { params: { readonly a: string; readonly b: string; readonly silent: boolean }; result: Links }
  delay: { params: { readonly a: string; readonly b: string; readonly delayMs: number }; result: Links }
  heal: { params: { readonly a?: string; readonly b?: string }; result: Links }
  /** Answered when all is gone but the process itself. */
  down: { params: Empty; result: { readonly pid: number } }
}

type Empty = Readonly<Record<string, never>>
type Links = { readonly links: readonly TestLinkInfo[] }

export type ControlMethod = keyof ControlMethods
export type ControlParams<M extends ControlMethod> = ControlMethods[M]['params']
export type ControlResult<M extends ControlMethod> = ControlMethods[M]['result']

export type ControlRequest = {
  readonly [M in ControlMethod]: { readonly method: M; readonly params: ControlParams<M> }
}[ControlMethod]

export type ControlReply =
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } }

/** What `parley testnet ls` tells. */
export interface TestnetInfo {
  readonly dir: string
  /** Of the process that keeps the test network up. */
  readonly pid: number
  readonly state: 'starting' | 'up' | 'stopping'
  readonly nodes: readonly TestNodeStatus[]
  readonly links: readonly TestLinkInfo[]
}

/** What the program that keeps a test network up is given, as JSON. */
export interface ManagerOptions {
  /** Absolute. */
  readonly dir: string
  readonly nodes?: number
  readonly names?: readonly string[]
  readonly topology?: string
  readonly perProcess?: number
  readonly timeoutMs?: number
  /** Stops what a test network left behind whose process is gone, and starts none. */
  readonly sweepOnly?: true
}

/** A reply takes about 400 bytes for each node and each link. */
const REPLY_LENGTH_MAX = 256 * 1024 * 1024

/** Where the commands of a test network find its process. */
export function controlSocketOf(dir: string): string {
  return join(dir, 'control.sock')
}

/** The file by which a folder is known as that of a test network. */
export function markerOf(dir: string): string {
  return join(dir, 'testnet.json')
}

/** Refuses a folder into which somebody else may have put things. @throws {ParleyError} `FORBIDDEN` */
export function checkOwner(dir: string, uid: number): void {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  if (found === undefined) return
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0) return
  throw new ParleyError('FORBIDDEN', `${dir} is not a folder that you alone may write to.`, {
    action: 'Name another folder with --dir.'
  })
}

/**
 * Asks the process that keeps the test network of a folder up.
 *
 * @throws {ParleyError} `NO_SUCH_TESTNET`, and what it answers
 */
export async function askManager<M extends ControlMethod>(
  dir: string,
  method: M,
  params: ControlParams<M>
): Promise<ControlResult<M>> {
  const reply = JSON.parse(await exchange(dir, JSON.stringify({ method, params }))) as ControlReply
  if ('error' in reply) throw new ParleyError(reply.error.code, reply.error.message)
  return reply.result as ControlResult<M>
}

function exchange(dir: string, line: string): Promise<string> {
  const reply = Promise.withResolvers<string>()
  const none = (cause?: Error): void =>
    reply.reject(new ParleyError('NO_SUCH_TESTNET', `No test network runs in ${dir}.`, { cause }))
  let text = ''
  const socket = connect(controlSocketOf(dir), () => socket.write(`${line}\n`))
  socket.setEncoding('utf8')
  socket.on('error', none)
  socket.on('data', (chunk: string) => {
    text += chunk
    if (text.length > REPLY_LENGTH_MAX) socket.destroy()
  })
  socket.on('close', () => (text.endsWith('\n') ? reply.resolve(text) : none()))
  return reply.promise
}
