import { Pair, type Side } from '../support/pair.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'restart'
export const describe =
  'a daemon killed and started again is in session within 5 s, also after a silent cut; both directions work'

const BACK_MS_MAX = 5_000

/** Sends one message each way and waits until both were heard. */
async function talksBothWays(pair: Pair, round: number): Promise<void> {
  const heard = pair.sides.map(async ({ client }) => {
    for await (const message of client.messages({ channel: `round-${round}`, consumer: `round-${round}` })) {
      await message.ack()
      return message.text()
    }
    return undefined
  })
  const send = ({ client, peer, name: from }: Side) =>
    client.send(peer, from, { channel: `round-${round}`, durable: false, timeoutMs: 10_000 })
  await Promise.all(pair.sides.map(send))
  const texts = await Promise.all(heard)
  if (texts.join() !== 'bob,alice') throw new Error(`heard ${texts.join()}`)
}

async function isBack(pair: Pair): Promise<number> {
  const start = performance.now()
  await pair.inSession(60_000)
  return performance.now() - start
}

export async function run({ size, log }: ProofOptions): Promise<ProofResult> {
  const rounds = size === 'full' ? 10 : 2
  await using pair = await Pair.start({ isProxied: true })
  const plainMs: number[] = []
  const silentMs: number[] = []
  for (let round = 0; round < rounds; round++) {
    await pair.restart(pair.bob)
    plainMs.push(await isBack(pair))
    await talksBothWays(pair, round)
    log(`killed: back after ${plainMs.at(-1)?.toFixed(0)} ms`)
  }
  for (let round = 0; round < rounds; round++) {
    pair.cut({ silent: true })
    await pair.restart(pair.bob, async () => {
      if (round % 2 === 0) pair.heal()
    })
    pair.heal()
    silentMs.push(await isBack(pair))
    await talksBothWays(pair, rounds + round)
    log(`cut silently, killed, healed: back after ${silentMs.at(-1)?.toFixed(0)} ms`)
  }
  const worst = Math.max(...plainMs, ...silentMs)
  return {
    ok: worst < BACK_MS_MAX,
    counts: {
      rounds: 2 * rounds,
      killedBackMsMax: Math.round(Math.max(...plainMs)),
      silentBackMsMax: Math.round(Math.max(...silentMs))
    }
  }
}
