import type { Client } from '@parley/client-sdk'
import { type Case, roundTripsOf, type Suite } from '../lib/bench.ts'
import { type Conversation, startConversation } from '../lib/conversation.ts'
import { SIZES } from '../lib/sizes.ts'
import { openBareCases } from './bare-libp2p.ts'
import { openSocketCases } from './local-socket.ts'

/** Runs that may be on their way at once: enough that nobody waits, few enough that nothing piles up. */
const RUNS_IN_FLIGHT = 32
const RUN_BYTES = 64 * 1024
const POUR = { channel: 'pour', durable: false } as const

/** The whole path in four processes, beside a bare libp2p stream and a bare local socket. */
export async function openAppToApp(): Promise<Suite> {
  const conversation = await startConversation()
  const [bare, socket] = await Promise.all([openBareCases(), openSocketCases()])
  const echo = await openEcho(conversation.alice)
  const path = SIZES.map(({ bytes, label }) => pour(conversation, bytes, label))
  return {
    name: 'App → SDK → socket → daemon → Secure Session → libp2p → daemon → socket → SDK → app',
    cases: [
      ...path,
      single(conversation),
      ...echo.cases,
      ...roundTripsOf('a call from the SDK to its daemon', () => conversation.alice.health()),
      ...bare.cases,
      ...socket.cases
    ],
    ratios: [
      ...SIZES.flatMap(({ label }) => [
        {
          what: `${label}, to a bare libp2p stream`,
          of: `app to app, ${label}`,
          to: `bare libp2p, ${label}`,
          ...aimOf(label)
        },
        { what: `${label}, to a bare local socket`, of: `app to app, ${label}`, to: `bare local socket, ${label}` }
      ]),
      {
        what: '64 B round trip p50, to a bare libp2p stream',
        of: 'app to app, 64 B round trip, p50',
        to: 'bare libp2p, 64 B round trip, p50',
        bar: 4,
        aim: 3
      }
    ],
    async close() {
      await echo.close()
      await Promise.all([bare.close(), socket.close()])
      await conversation.close()
    }
  }
}

const aimOf = (label: string) => (label === '64 KiB' ? { aim: 0.4 } : {})

/** Runs of up to 64 KiB, as an app sends that has many messages. */
function pour({ alice, received }: Conversation, bytes: number, label: string): Case {
  const body = new Uint8Array(bytes).fill(7)
  const run = Array.from({ length: Math.max(1, RUN_BYTES / bytes) }, () => body)
  return flow(`app to app, ${label}`, { count: run.length, bytes }, () => alice.sendRun('bob', run, POUR), received)
}

/** One `send` per message, as an app sends that has no thought for speed. */
function single({ alice, received }: Conversation): Case {
  const body = new Uint8Array(64).fill(7)
  const sends = (): Promise<unknown> => Promise.all(Array.from({ length: 256 }, () => alice.send('bob', body, POUR)))
  return flow('app to app, 64 B, one send each', { count: 256, bytes: 64 }, sends, received)
}

function flow(
  name: string,
  { count, bytes }: { readonly count: number; readonly bytes: number },
  send: () => Promise<unknown>,
  received: (count: number) => Promise<void>
): Case {
  return {
    name,
    unit: 'a second',
    bytes,
    async measure(ms) {
      const start = performance.now()
      let sent = 0
      const sender = async (): Promise<void> => {
        while (performance.now() - start < ms) {
          sent += count
          await send()
        }
      }
      await Promise.all(Array.from({ length: RUNS_IN_FLIGHT }, sender))
      await received(sent)
      return (sent / (performance.now() - start)) * 1_000
    }
  }
}

async function openEcho(alice: Client): Promise<{ cases: readonly Case[]; close(): Promise<void> }> {
  const back = alice.messages({ channel: 'back', consumer: 'bench-back', from: 'now' })
  await back.ready()
  const body = new Uint8Array(64).fill(7)
  const trip = async (): Promise<void> => {
    const answer = back.next()
    await alice.send('bob', body, { channel: 'echo', durable: false })
    const { value } = await answer
    void value?.ack()
  }
  return {
    cases: roundTripsOf('app to app, 64 B round trip', trip),
    async close() {
      await back.return()
    }
  }
}
