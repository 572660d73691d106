import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { repositoryPath } from '../support/machine.ts'
import { Pair, type Side } from '../support/pair.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'languages'
export const describe = 'curl and Python, with no Parley code, send, receive and follow events'

const PYTHON = '/usr/bin/python3'
const scripts = join(repositoryPath, 'client-sdk/examples/python')
const run_ = promisify(execFile)

/** Whether a program can be run; where it cannot, its part is left out and said so. */
function has(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

async function curl(side: Side, method: string, params: object): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const { stdout } = await run_('curl', [
    ...['--silent', '--show-error', '--unix-socket', side.daemon.socketPath, 'http://parley/rpc'],
    ...['--header', 'Content-Type: application/json', '--data-binary', body]
  ])
  const { result, error } = JSON.parse(stdout) as { result?: unknown; error?: unknown }
  if (result === undefined) throw new Error(`curl ${method}: ${JSON.stringify(error)}`)
  return result
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

async function byCurl({ alice, bob }: Pair): Promise<string[]> {
  const wrong: string[] = []
  const fetching = curl(bob, 'messages.fetch', { consumer: 'curl', filter: { channels: ['curl'] }, waitMs: 10_000 })
  await curl(alice, 'messages.send', {
    peer: 'bob',
    channel: 'curl',
    bodies: [base64('from curl')],
    durable: false,
    timeoutMs: 10_000
  })
  const { runs } = (await fetching) as { runs: { bodies: string[]; fromName: string }[] }
  if (runs[0]?.bodies[0] !== base64('from curl') || runs[0].fromName !== 'alice')
    wrong.push(`curl fetched ${JSON.stringify(runs)}`)
  const { events } = (await curl(bob, 'events.fetch', { after: 'start' })) as { events: { kind: string }[] }
  if (!events.some(({ kind }) => kind === 'peer.session')) wrong.push('curl saw no peer.session event')
  return wrong
}

async function python(script: string, side: Side, ...args: string[]): Promise<string> {
  const { stdout } = await run_(PYTHON, [join(scripts, script), side.daemon.socketPath, ...args])
  return stdout
}

async function byPython({ alice, bob }: Pair): Promise<string[]> {
  const wrong: string[] = []
  const fetching = python('parley_client.py', bob, 'fetch', '--consumer', 'py', '--channel', 'py', '--wait-ms', '10000')
  await python('parley_client.py', alice, 'send', 'bob', 'from python', '--channel', 'py')
  const fetched = await fetching
  if (!fetched.includes('from python')) wrong.push(`python fetched ${fetched}`)
  const events = await python('parley_client.py', bob, 'events', '--after', 'start')
  if (!events.includes('peer.session')) wrong.push('python saw no peer.session event')
  return wrong
}

async function byPythonSocket(pair: Pair): Promise<string[]> {
  const { alice, bob } = pair
  const wrong: string[] = []
  const follow = async (args: readonly string[], act: () => Promise<unknown>): Promise<string> => {
    const child = execFile(PYTHON, [join(scripts, 'parley_ws.py'), bob.daemon.socketPath, ...args])
    let stdout = ''
    let stderr = ''
    child.stdout?.on('data', text => {
      stdout += text
    })
    child.stderr?.on('data', text => {
      stderr += text
    })
    const ended = once(child, 'close')
    await until('the Python program to listen', () => stderr.includes('listening') || child.exitCode !== null)
    await act()
    await ended
    return `${stdout}${child.exitCode === 0 ? '' : stderr}`
  }
  const heard = await follow(['messages', '--consumer', 'py-ws', '--channel', 'py-ws', '--count', '2'], async () => {
    await alice.client.send('bob', 'one', { channel: 'py-ws', durable: false })
    await alice.client.send('bob', 'two', { channel: 'py-ws', durable: false })
  })
  if (!(heard.includes('"one"') && heard.includes('"two"'))) wrong.push(`python over a WebSocket heard ${heard}`)
  const seen = await follow(['events', '--after', 'now', '--count', '1'], () =>
    bob.client.peers.rename('alice', 'alicia')
  )
  if (!seen.includes('peer.updated')) wrong.push(`python over a WebSocket saw ${seen}`)
  return wrong
}

export async function run({ log }: ProofOptions): Promise<ProofResult> {
  await using pair = await Pair.start()
  const notes: string[] = []
  const counts = { curl: 0, python: 0, pythonWebSocket: 0 }
  const lead = async (key: keyof typeof counts, available: boolean, what: string, part: () => Promise<string[]>) => {
    if (!available) {
      log(`left out: ${what} is not installed`)
      return [] as string[]
    }
    const wrong = await part()
    counts[key] = 1
    log(`${what}: ${wrong.length === 0 ? 'sent, received and followed events' : wrong.join('; ')}`)
    return wrong
  }
  notes.push(...(await lead('curl', has('curl', ['--version']), 'curl', () => byCurl(pair))))
  notes.push(...(await lead('python', has(PYTHON, ['--version']), 'Python', () => byPython(pair))))
  const hasWebSockets = has(PYTHON, ['-c', 'import websockets'])
  notes.push(...(await lead('pythonWebSocket', hasWebSockets, 'python3-websockets', () => byPythonSocket(pair))))
  return { ok: notes.length === 0, counts, notes }
}
