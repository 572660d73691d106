import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from '@parley/client-sdk'
import { type CommandResult, runParley, startDaemon } from '../support/daemon-process.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'send-errors'
export const describe = 'each way in which a send fails has its own code, its exit status and advice'

const LOOPBACK = ['--listen', '/ip4/127.0.0.1/tcp/0']

interface Case {
  readonly what: string
  readonly code: string
  readonly exit: number
  run(): Promise<CommandResult>
}

export async function run({ log }: ProofOptions): Promise<ProofResult> {
  using home = makeTempHome()
  using empty = makeTempHome()
  const homes = { alice: home.file('a'), bob: home.file('b'), carol: home.file('c') }
  for (const path of Object.values(homes)) mkdirSync(path, { mode: 0o700 })
  await using alice = await startDaemon({ home: homes.alice, args: LOOPBACK })
  await using bob = await startDaemon({ home: homes.bob, args: LOOPBACK })
  const carol = await startDaemon({ home: homes.carol, args: LOOPBACK })
  await using client = await connect({ socket: alice.socketPath })
  for (const [daemon, as] of [
    [bob, 'stranger'],
    [carol, 'offline']
  ] as const) {
    const card = (await daemon.parley(['card'])).stdout.trim()
    await client.peers.add(card, { name: as })
  }
  await carol.stop()
  await until('the first dials to be over', async () => {
    const { peers } = await client.status()
    return peers.every(({ session }) => session.lastEnd !== undefined)
  })

  const broken = empty.file('broken')
  mkdirSync(broken)
  writeFileSync(`${broken}/config.toml`, '[limits]\nhandshakeTimeoutMs = "soon"\n')
  const send = (peer: string, stdin = 'x') => alice.parley(['--json', 'send', peer, '-'], { stdin })
  const sendNow = (peer: string) => alice.parley(['--json', 'send', peer, '-', '--not-durable'], { stdin: 'x' })
  const cases: Case[] = [
    { what: 'an unknown contact', code: 'NO_SUCH_PEER', exit: 1, run: () => send('nobody') },
    { what: 'an offline one', code: 'PEER_OFFLINE', exit: 8, run: () => sendNow('offline') },
    { what: 'one that has not added us', code: 'NOT_ACCEPTED', exit: 8, run: () => sendNow('stranger') },
    { what: 'a body over 1 MiB', code: 'TOO_LARGE', exit: 5, run: () => send('stranger', 'x'.repeat(1024 * 1024 + 1)) },
    {
      what: 'a blocked one',
      code: 'BLOCKED',
      exit: 4,
      run: async () => {
        await client.peers.block('stranger')
        return send('stranger')
      }
    },
    {
      what: 'no daemon',
      code: 'DAEMON_UNREACHABLE',
      exit: 3,
      run: () => runParley(['--json', 'send', 'bob', 'x'], { home: empty.path })
    },
    {
      what: 'a broken config',
      code: 'CONFIG_INVALID',
      exit: 9,
      run: () => runParley(['--json', 'send', 'bob', 'x'], { home: broken })
    }
  ]
  const notes: string[] = []
  for (const { what, code, exit, run } of cases) {
    const result = await run()
    const errorLine = result.stderr.split('\n').find(line => line.startsWith('{'))
    const { error = {} } = JSON.parse(errorLine ?? '{}') as {
      error?: { code?: string; action?: string; message?: string }
    }
    log(`${what}: exit ${result.code}, ${error.code}: ${error.message} Next: ${error.action}`)
    if (result.code !== exit || error.code !== code)
      notes.push(`${what}: ${code} and exit ${exit} were due, got ${error.code} and ${result.code}: ${result.stderr}`)
    if (!error.action || !error.message) notes.push(`${what}: no advice`)
    if (result.stdout !== '') notes.push(`${what}: printed ${result.stdout}`)
  }
  return { ok: notes.length === 0, counts: { cases: cases.length, wrong: notes.length }, notes }
}
