import { Pair } from '../support/pair.ts'
import { NumberedListener, sendNumbers } from '../support/talk.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'rekey'
export const describe = 'rekeys under load in both directions at once: nothing lost, doubled or out of order'

/** Far below what is shipped, so that there are many: a limit that is tightened, not loosened. */
const REKEY_AFTER_WRAPS = '64'

export async function run({ size, log, signal }: ProofOptions): Promise<ProofResult> {
  const wanted = size === 'full' ? 20 : 2
  await using pair = await Pair.start({ env: { PARLEY_LIMITS_REKEY_AFTER_WRAPS: REKEY_AFTER_WRAPS } })
  const listeners = pair.sides.map(({ client }) => new NumberedListener(client, 'rekey'))
  let sent = 0
  let rekeys = 0
  while (rekeys < wanted && !signal.aborted) {
    await Promise.all(pair.sides.map(side => sendNumbers(side, 'rekey', sent, sent + 2_000)))
    sent += 2_000
    rekeys = Math.min(await pair.counter(pair.alice, 'rekeys'), await pair.counter(pair.bob, 'rekeys'))
    if (sent % 20_000 === 0) log(`${sent} messages each way, ${rekeys} rekeys`)
  }
  await until('all of it to be heard', () => listeners.every(({ next }) => next === sent), { timeoutMs: 30_000 })
  await pair.inSession()
  const wrong = listeners.flatMap(listener => listener.wrong)
  for (const listener of listeners) await listener.stop()
  const lost = (await pair.counter(pair.alice, 'CONNECTION_LOST')) + (await pair.counter(pair.bob, 'CONNECTION_LOST'))
  return {
    ok: rekeys >= wanted && wrong.length === 0 && lost === 0,
    counts: { rekeys, messagesEachWay: sent, wrong: wrong.length, connectionsLost: lost },
    notes: wrong.slice(0, 10)
  }
}
