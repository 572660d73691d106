import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type Client, connect } from '@parley/client-sdk'
import { StartedProcess, startDaemon } from '../support/daemon-process.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import { vmHwmBytes } from '../support/vm-hwm.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'crowd'
export const describe =
  'many peers in session with one daemon at once, 1,000 messages each way with each: order and hash checked'

const HOST = fileURLToPath(new URL('../support/daemon-host.ts', import.meta.url))
const RUN = 100

/** The n-th message between the daemon and a peer, one way: no two are alike. */
const bodyOf = (from: string, to: string, number: number) => `${from} ${to} ${number} ${'.'.repeat(number % 200)}`

function digestOf(from: string, to: string, count: number): string {
  const hash = createHash('sha256')
  for (let number = 0; number < count; number++) hash.update(`${bodyOf(from, to, number)}\n`)
  return hash.digest('hex')
}

/** Hears `count` messages from each of the senders and returns the hash of each one's, in order. */
async function hear(client: Client, senders: number, count: number): Promise<Map<string, string>> {
  const hashes = new Map<string, { hash: ReturnType<typeof createHash>; left: number }>()
  let left = senders * count
  for await (const message of client.messages({ channel: 'crowd', consumer: 'crowd' })) {
    const entry = hashes.get(message.fromName) ?? { hash: createHash('sha256'), left: count }
    hashes.set(message.fromName, entry)
    entry.hash.update(`${message.text()}\n`)
    if (--left % 1_000 === 0) await message.ack()
    if (left === 0) break
  }
  return new Map([...hashes].map(([from, { hash }]) => [from, hash.digest('hex')]))
}

async function sendAll(client: Client, to: string, from: string, count: number): Promise<void> {
  for (let start = 0; start < count; start += RUN) {
    const bodies = Array.from({ length: Math.min(RUN, count - start) }, (_, offset) => bodyOf(from, to, start + offset))
    await client.sendRun(to, bodies, { channel: 'crowd', durable: false, timeoutMs: 120_000 })
  }
}

export async function run({ size, log }: ProofOptions): Promise<ProofResult> {
  const peers = size === 'full' ? 200 : 12
  const messages = size === 'full' ? 1_000 : 200
  const perProcess = size === 'full' ? 25 : 6
  using home = makeTempHome()
  await using hub = await startDaemon({
    home: home.path,
    args: ['--id', 'hub'],
    env: { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'warn' }
  })
  await using center = await connect({ socket: hub.socketPath })
  const crowdHomes = Array.from({ length: peers / perProcess }, () => makeTempHome())
  const hosts = crowdHomes.map(
    ({ path }, at) => new StartedProcess(HOST, [path, String(perProcess), String(at * perProcess)], { home: path })
  )
  const clients: Client[] = []
  try {
    await until(
      'all daemons to be ready',
      () => hosts.every(({ stdout }) => stdout.split('ready').length === perProcess + 1),
      { timeoutMs: 180_000 }
    )
    log(`${peers} daemons are up`)
    const hubCard = await center.card()
    let index = 0
    for (const { path } of crowdHomes) {
      for (let slot = 0; slot < perProcess; slot++, index++) {
        const client = await connect({ socket: `${path}/${slot}/parley.sock` })
        clients.push(client)
        await center.peers.add(await client.card(), { name: `peer${index}` })
        await client.peers.add(hubCard, { name: 'hub' })
      }
    }
    await until('all to be in session', async () => (await center.status()).sessions === peers, { timeoutMs: 120_000 })
    log(`${peers} sessions are up`)
    const start = performance.now()
    const atHub = hear(center, peers, messages)
    const atPeers = clients.map(client => hear(client, 1, messages))
    await Promise.all([
      ...clients.map((client, peer) => sendAll(client, 'hub', `peer${peer}`, messages)),
      ...clients.map((_, peer) => sendAll(center, `peer${peer}`, 'hub', messages))
    ])
    const heardAtHub = await atHub
    const heardAtPeers = await Promise.all(atPeers)
    const seconds = (performance.now() - start) / 1_000
    let wrong = 0
    for (let peer = 0; peer < peers; peer++) {
      if (heardAtHub.get(`peer${peer}`) !== digestOf(`peer${peer}`, 'hub', messages)) wrong++
      if (heardAtPeers[peer]?.get('hub') !== digestOf('hub', `peer${peer}`, messages)) wrong++
    }
    const sessions = (await center.status()).sessions
    return {
      ok: wrong === 0 && sessions === peers,
      counts: {
        peers,
        processes: hosts.length,
        sessions,
        messages: 2 * peers * messages,
        messagesPerSecond: Math.round((2 * peers * messages) / seconds),
        wrong,
        hubVmHwmBytes: vmHwmBytes(hub.pid) ?? 0
      }
    }
  } finally {
    await Promise.all(clients.map(client => client.close({ drain: false })))
    await Promise.all(hosts.map(host => host[Symbol.asyncDispose]()))
    for (const crowdHome of crowdHomes) crowdHome.remove()
  }
}
