import { existsSync, readdirSync } from 'node:fs'
import { connect } from '@parley/client-sdk'
import { type CommandResult, runParley } from '../support/daemon-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { NumberedListener } from '../support/talk.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'testnet'
export const describe =
  'ten daemons in one command, links cut and healed at will with the rest undisturbed, and nothing left of it'

const UP_MS_MAX = 15_000

interface Listing {
  readonly pid: number
  readonly nodes: readonly {
    readonly name: string
    readonly pid: number
    readonly socket: string
    readonly sessions: number
  }[]
}

/** Whether a process lives; one that has ended and was not yet waited for does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // there is no such process
  }
}

export async function run({ size, seed, log }: ProofOptions): Promise<ProofResult> {
  const nodes = size === 'full' ? 10 : 4
  const cuts = size === 'full' ? 20 : 4
  const random = seededRandom(seed)
  using home = makeTempHome()
  const dir = home.file('net')
  const testnet = async (...args: string[]): Promise<CommandResult> => {
    const result = await runParley(['testnet', ...args, '--dir', dir, '--json'], { home: home.path, timeoutMs: 60_000 })
    if (result.code !== 0)
      throw new Error(`parley testnet ${args.join(' ')} ended with ${result.code}: ${result.stderr}`)
    return result
  }
  const start = performance.now()
  const listing = JSON.parse((await testnet('up', '-n', String(nodes))).stdout) as Listing
  const upMs = performance.now() - start
  log(`${nodes} daemons in session after ${Math.round(upMs)} ms`)
  const notes: string[] = []
  const pids = [listing.pid, ...listing.nodes.map(({ pid }) => pid)]
  let backMsMax = 0
  try {
    const clients = await Promise.all(listing.nodes.map(({ socket }) => connect({ socket })))
    const nameOf = (index: number) => listing.nodes[index]?.name ?? ''
    const state = async (from: number, to: number) => (await clients[from]?.peers.get(nameOf(to)))?.session
    for (let round = 0; round < cuts; round++) {
      const a = random.below(nodes)
      const b = (a + 1 + random.below(nodes - 1)) % nodes
      const isSilent = round % 2 === 1
      const others = await Promise.all(
        clients.map(async (client, index) => [index, (await client.status()).peers] as const)
      )
      await testnet('cut', nameOf(a), nameOf(b), ...(isSilent ? ['--silent'] : []))
      if (!isSilent) await until('the cut to be noticed', async () => (await state(a, b))?.state !== 'established')
      await testnet('heal', nameOf(a), nameOf(b))
      const healedAt = performance.now()
      await until(
        'the session to be back',
        async () => (await state(a, b))?.state === 'established' && (await state(b, a))?.state === 'established',
        { timeoutMs: 60_000 }
      )
      backMsMax = Math.max(backMsMax, performance.now() - healedAt)
      for (const [index, peers] of others) {
        for (const before of peers) {
          const isCut = [nameOf(a), nameOf(b)].includes(nameOf(index)) && [nameOf(a), nameOf(b)].includes(before.name)
          const after = await clients[index]?.peers.get(before.name)
          if (!isCut && after?.session.since !== before.session.since)
            notes.push(`${nameOf(index)} and ${before.name} were disturbed`)
        }
      }
    }
    const listener = new NumberedListener(clients[0] as NonNullable<(typeof clients)[0]>, 'proof')
    await clients[1]?.send(nameOf(0), '0', { channel: 'proof', durable: false })
    await until('a message to be heard', () => listener.next === 1)
    await listener.stop()
    await Promise.all(clients.map(client => client.close()))
  } finally {
    await testnet('down')
  }
  await until('every process to be gone', () => !pids.some(isAlive), { timeoutMs: 10_000 })
  if (existsSync(dir)) notes.push(`left behind: ${readdirSync(dir).join(', ')}`)
  if (upMs > UP_MS_MAX) notes.push(`up took ${Math.round(upMs)} ms`)
  return {
    ok: notes.length === 0,
    counts: { nodes, upMs: Math.round(upMs), cuts, backMsMax: Math.round(backMsMax) },
    notes: notes.slice(0, 10)
  }
}
