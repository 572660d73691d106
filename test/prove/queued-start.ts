import { connect } from '@parley/client-sdk'
import { startDaemon } from '../support/daemon-process.ts'
import { addOfflineBob } from '../support/offline-peer.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { vmHwmBytes } from '../support/vm-hwm.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'queued-start'
export const describe = 'a daemon with 100,000 messages queued for a peer that is away is ready within 3 s of its start'

const READY_MS_MAX = 3_000
const RUN_LENGTH = 500
const CHANNELS = ['chat', 'jobs', 'readings', 'log'] as const
const ENV = { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'warn' }

export async function run({ size, seed, log }: ProofOptions): Promise<ProofResult> {
  const messages = size === 'full' ? 100_000 : 10_000
  const random = seededRandom(`queued-start ${seed}`)
  using alice = makeTempHome()
  using bob = makeTempHome()
  let daemon = await startDaemon({ home: alice.path, args: ['--id', 'alice'], env: ENV })
  try {
    await using client = await connect({ socket: daemon.socketPath })
    await addOfflineBob(client, bob.path, ENV)
    let bytes = 0
    for (let sent = 0; sent < messages; sent += RUN_LENGTH) {
      const bodies = Array.from({ length: RUN_LENGTH }, () => random.bytes(1 + random.below(600)))
      bytes += bodies.reduce((sum, body) => sum + body.length, 0)
      await client.sendRun('bob', bodies, { channel: random.pick(CHANNELS) })
    }
    log(`${messages} queued`)
    await daemon.kill()
    const readyMs: number[] = []
    for (let start = 0; start < 3; start++) {
      const before = performance.now()
      daemon = await startDaemon({ home: alice.path, env: ENV })
      readyMs.push(Math.round(performance.now() - before))
      log(`ready after ${readyMs.at(-1)} ms`)
      await using again = await connect({ socket: daemon.socketPath })
      const { queue } = await again.status()
      if (queue.messages !== messages) throw new Error(`${queue.messages} of ${messages} are queued`)
      if (start < 2) await daemon.kill()
    }
    return {
      ok: Math.max(...readyMs) < READY_MS_MAX,
      counts: { messages, bytes, readyMsMax: Math.max(...readyMs), vmHwmBytes: vmHwmBytes(daemon.pid) ?? 0 }
    }
  } finally {
    if (daemon.isRunning) await daemon.kill()
  }
}
