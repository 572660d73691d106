import type { Case, Suite } from '../lib/bench.ts'
import { Crowd } from '../lib/crowd.ts'
import { openBareCases } from './bare-libp2p.ts'

/** Sessions of a daemon with many peers: how fast they come, one after the other, and what each keeps in memory. */
export async function openSessions(): Promise<Suite> {
  const crowd = await Crowd.open()
  const bare = await openBareCases()
  const sessions: Case = {
    name: 'parley, new sessions',
    unit: 'a second',
    measure: () => crowd.sessionsPerSecond()
  }
  const memory: Case = {
    name: 'parley, resident memory of a session',
    unit: 'kB',
    measure: async () => crowd.bytesPerSession / 1_000
  }
  const dials = bare.cases.filter(({ name }) => name === 'bare libp2p, dials')
  const allowed: Case = { name: 'allowed memory', unit: 'kB', measure: async () => 150 }
  return {
    name: 'New sessions, one after the other, and what they keep',
    cases: [sessions, memory, ...dials, allowed],
    ratios: [
      { what: 'new sessions, to bare libp2p dials', of: sessions.name, to: 'bare libp2p, dials', bar: 0.7, aim: 0.85 },
      { what: 'memory of a session, to 150 kB', of: memory.name, to: allowed.name, bar: 1, aim: 0.67 }
    ],
    async close() {
      await bare.close()
      await crowd.close()
    }
  }
}
