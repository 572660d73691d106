import { ParleyError } from '@parley/client-sdk'
import { compare, start } from '../../daemon/test/peer/compare/town-compare.ts'
import { type Heard, type House, Town } from '../../daemon/test/peer/town.ts'
import { Pair, type Side } from '../support/pair.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { NumberedListener, sendNumbers } from '../support/talk.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'compare'
export const describe =
  'equal, unequal and near-equal secrets compared while messages flow: right every time, none lost; the sixth wrong try is refused, also after a restart'

type Kind = 'equal' | 'unequal' | 'near'
const KINDS: readonly Kind[] = ['equal', 'unequal', 'near']
/** Of wrong ones, so many are short of the limit of tries. */
const RUNS_OF_A_PAIR = 4
const MESSAGES = 40

/** A secret and what the other side holds. */
function secretsOf(kind: Kind, text: string, index: number): readonly [string, string] {
  const ours = `${text} ${index}`
  if (kind === 'equal') return [ours, ours]
  if (kind === 'unequal') return [ours, `something else, ${index * 7}`]
  // One bit of one character is another.
  const at = index % ours.length
  const flipped = String.fromCharCode(ours.charCodeAt(at) ^ 1)
  return [ours, ours.slice(0, at) + flipped + ours.slice(at + 1)]
}

interface Tally {
  runs: number
  wrong: number
  sent: number
  lost: number
}

/** A pair of fresh contacts on a virtual clock: compares, and sends messages both ways while it does. */
async function freshPair(seed: string, kind: Kind, runs: number, tally: Tally): Promise<void> {
  const town = new Town(seed)
  const [alice, bob] = await town.pair()
  const heard = [alice.listen('talk'), bob.listen('talk')] as const
  const sent = new Map<House, string[]>([
    [alice, []],
    [bob, []]
  ])
  const talk = async (from: House, to: House, round: number) => {
    const texts = Array.from({ length: MESSAGES }, (_, number) => `${from.name} ${round}.${number}`)
    sent.get(from)?.push(...texts)
    await from.post(to.name, texts, 'talk')
  }
  for (let index = 0; index < runs; index++) {
    const sides = index % 2 === 0 ? ([alice, bob] as const) : ([bob, alice] as const)
    const secrets = secretsOf(kind, seed, index)
    const talking = [talk(alice, bob, index), talk(bob, alice, index)]
    const results = await compare(town, sides, secrets)
    await town.run(Promise.all(talking))
    const wanted = kind === 'equal' ? 'match' : 'no-match'
    tally.runs++
    if (results.some(({ verdict }) => verdict !== wanted)) tally.wrong++
  }
  for (const [from, listener] of [
    [alice, heard[1]],
    [bob, heard[0]]
  ] as const) {
    const texts = sent.get(from) ?? []
    await town.until(() => listener.count >= texts.length)
    tally.sent += texts.length
    tally.lost += lostOf(listener, texts)
  }
}

/** How many texts did not come, or not in their place. */
function lostOf(listener: Heard, texts: readonly string[]): number {
  const heard = listener.texts()
  return Math.abs(heard.length - texts.length) + texts.filter((text, index) => heard[index] !== text).length
}

/** Two contacts that try until they are refused: with wrong secrets, in both directions, over a restart. */
async function lockedOut(
  seed: string
): Promise<{ readonly triesUntilLocked: number; readonly refusedAfterRestart: number }> {
  const town = new Town(`${seed} locked`)
  const [alice, bob] = await town.pair()
  let tries = 0
  for (; tries < 20; tries++) {
    const sides = tries % 2 === 0 ? ([alice, bob] as const) : ([bob, alice] as const)
    const code = await compare(town, sides, ['right', `wrong ${tries}`]).then(() => 'none', codeOf)
    if (code !== 'none') break
  }
  let refused = 0
  for (const house of [alice, bob]) {
    await house.kill()
    await town.until(() => [alice, bob].every(each => each === house || each.state(house.name) !== 'established'))
    await house.start()
    await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established')
    const code = await town.run(start(house, house === alice ? 'bob' : 'alice', 'right').then(() => 'none', codeOf))
    if (code === 'COMPARE_LOCKED') refused++
  }
  return { triesUntilLocked: tries, refusedAfterRestart: refused }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code)
}

/** Real daemons, with their threads: both programs compare while both send. */
async function realDaemons(equalRuns: number, log: (line: string) => void) {
  await using pair = await Pair.start()
  const [alice, bob] = pair.sides
  const listeners = pair.sides.map(({ client }) => new NumberedListener(client, 'talk'))
  let wrong = 0
  let sent = 0
  const both = (ours: string, theirs: string, first: Side, second: Side) =>
    Promise.all([first.client.compare(first.peer, ours), second.client.compare(second.peer, theirs)])
  for (let run = 0; run < equalRuns; run++) {
    const [first, second] = run % 2 === 0 ? [alice, bob] : [bob, alice]
    const talking = pair.sides.map(side => sendNumbers(side, 'talk', sent, sent + MESSAGES))
    // The same secret in turn in both directions.
    const [verdicts] = await Promise.all([both('the red fox', 'the red fox', first, second), ...talking])
    sent += MESSAGES
    if (verdicts.some(verdict => verdict !== 'match')) wrong++
    if (run % 20 === 0) log(`${run} comparisons of real daemons`)
  }
  let tries = 0
  for (; tries < 20; tries++) {
    try {
      const verdicts = await both('right', `wrong ${tries}`, alice, bob)
      if (verdicts.some(verdict => verdict !== 'no-match')) wrong++
    } catch (error) {
      if (!(error instanceof ParleyError) || !error.code.startsWith('COMPARE_')) throw error
      break
    }
  }
  let refusedAfterRestart = 0
  for (const side of pair.sides) {
    await pair.restart(side)
    await until('the daemon to be back', () => side.client.isConnected)
    await pair.inSession()
    const code = await side.client.compare(side.peer, 'right').then(() => 'none', codeOf)
    if (code === 'COMPARE_LOCKED') refusedAfterRestart++
  }
  await until('all messages to be heard', () => listeners.every(({ next }) => next === sent))
  const outOfOrder = listeners.flatMap(listener => listener.wrong).length
  for (const listener of listeners) await listener.stop()
  return { wrong, sent: 2 * sent, outOfOrder, tries, refusedAfterRestart }
}

export async function run({ seed, size, log, signal }: ProofOptions): Promise<ProofResult> {
  const runsOfKind = size === 'full' ? 500 : 8
  const realRuns = size === 'full' ? 60 : 4
  const random = seededRandom(seed)
  const tally: Tally = { runs: 0, wrong: 0, sent: 0, lost: 0 }
  for (const kind of KINDS) {
    for (let done = 0; done < runsOfKind; done += RUNS_OF_A_PAIR) {
      signal.throwIfAborted()
      await freshPair(`${seed} ${kind} ${done} ${random.uint32()}`, kind, RUNS_OF_A_PAIR, tally)
    }
    log(`${kind}: ${tally.runs} comparisons so far, ${tally.wrong} wrong, ${tally.lost} of ${tally.sent} messages lost`)
  }
  const locked = await lockedOut(seed)
  const real = await realDaemons(realRuns, log)
  const isLocked =
    locked.triesUntilLocked === 5 &&
    locked.refusedAfterRestart === 2 &&
    real.tries === 5 &&
    real.refusedAfterRestart === 2
  return {
    ok: tally.wrong + tally.lost + real.wrong + real.outOfOrder === 0 && tally.runs === 3 * runsOfKind && isLocked,
    counts: {
      comparisonsOfEachKind: runsOfKind,
      comparisons: tally.runs,
      wrongVerdicts: tally.wrong,
      messagesSent: tally.sent,
      messagesLost: tally.lost,
      triesUntilLocked: locked.triesUntilLocked,
      refusedAfterRestart: locked.refusedAfterRestart,
      realComparisons: realRuns,
      realWrongVerdicts: real.wrong,
      realMessagesSent: real.sent,
      realMessagesOutOfOrder: real.outOfOrder,
      realTriesUntilLocked: real.tries,
      realRefusedAfterRestart: real.refusedAfterRestart
    }
  }
}
