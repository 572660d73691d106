import { Pair } from '../support/pair.ts'
import { NumberedListener, sendNumbers } from '../support/talk.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'glare'
export const describe =
  'both dial at once, again and again: one session is left each time, nothing sent is lost or doubled'

const MESSAGES = 50
/** Longer than two commands to two daemons are apart, so that each dial starts before the other has arrived. */
const LINK_DELAY_MS = 20

export async function run({ size, log }: ProofOptions): Promise<ProofResult> {
  const wanted = size === 'full' ? 100 : 4
  await using pair = await Pair.start({ isProxied: true })
  pair.delay(LINK_DELAY_MS)
  const listeners = pair.sides.map(({ client }) => new NumberedListener(client, 'glare'))
  const counted = async () => (await pair.counter(pair.alice, 'glares')) + (await pair.counter(pair.bob, 'glares'))
  const atStart = await counted()
  const glares = async () => (await counted()) - atStart
  let rounds = 0
  let sent = 0
  let moreThanOne = 0
  while ((await glares()) < wanted && rounds < 4 * wanted) {
    rounds++
    await Promise.all(pair.sides.map(({ client, peer }) => client.peers.block(peer)))
    await pair.offline()
    await Promise.all(pair.sides.map(({ client, peer }) => client.peers.block(peer, { blocked: false })))
    const sending = pair.sides.map(side => sendNumbers(side, 'glare', sent, sent + MESSAGES))
    await Promise.all(sending)
    sent += MESSAGES
    await until('all of it to be heard', () => listeners.every(({ next }) => next === sent), { timeoutMs: 30_000 })
    await pair.inSession()
    for (const { client } of pair.sides) if ((await client.status()).sessions !== 1) moreThanOne++
    if (rounds % 10 === 0) log(`${rounds} rounds, ${await glares()} glares`)
  }
  const wrong = listeners.flatMap(listener => listener.wrong)
  for (const listener of listeners) await listener.stop()
  const count = await glares()
  return {
    ok: count >= wanted && wrong.length === 0 && moreThanOne === 0,
    counts: { rounds, glares: count, messagesEachWay: sent, wrong: wrong.length, moreThanOneSession: moreThanOne },
    notes: wrong.slice(0, 10)
  }
}
