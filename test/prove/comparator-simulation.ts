import { ProtocolError, SecureComparator } from '@parley/protocol'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'comparator-simulation'
export const describe =
  'comparisons between two cores whose messages are lost, doubled, moved, cut, changed and replayed: no wrong match, ever'

const OLD_MESSAGES_MAX = 64
const DELIVERIES_MAX = 40
/** Of a hundred messages; the others arrive as they were sent. */
const FAULTS: Readonly<Record<Fault, number>> = {
  drop: 2,
  duplicate: 6,
  hold: 6,
  cut: 4,
  change: 6,
  replay: 4,
  extend: 4
}
type Fault = 'drop' | 'duplicate' | 'hold' | 'cut' | 'change' | 'replay' | 'extend'

/** A message on its way. */
interface Flight {
  readonly to: Side
  readonly bytes: Uint8Array
}

/** One end of a comparison, and what the simulation knows of it. */
interface Side {
  readonly comparator: SecureComparator
  /** All that it has sent, in order. */
  readonly sent: Uint8Array[]
  /** How many messages of the peer it has taken. */
  taken: number
  /** Whether each of them was the one that the peer had sent at that place. */
  hasGenuineOnly: boolean
}

interface Round {
  readonly sides: readonly [Side, Side]
  readonly isEqual: boolean
  /** Whether any message of the round was touched, or came when it was not its turn. */
  hasFault: boolean
}

type Counts = Record<'comparisons' | 'matches' | 'noMatches' | 'unfinished' | 'refused' | 'wrong' | Fault, number>

export async function run({ seed, size, log, signal }: ProofOptions): Promise<ProofResult> {
  const rounds = size === 'full' ? 10_000 : 300
  const random = seededRandom(seed)
  const faults = Object.fromEntries(Object.keys(FAULTS).map(fault => [fault, 0])) as Record<Fault, number>
  const counts: Counts = { comparisons: 0, matches: 0, noMatches: 0, unfinished: 0, refused: 0, wrong: 0, ...faults }
  const oldMessages: Uint8Array[] = []
  const notes: string[] = []
  for (let i = 0; i < rounds; i++) {
    signal.throwIfAborted()
    const round = startRound(random)
    playRound(round, random, oldMessages, counts)
    const problem = judge(round, counts)
    if (problem !== undefined) {
      counts.wrong++
      notes.push(`comparison ${i}: ${problem}`)
    }
    for (const { comparator, sent } of round.sides) {
      oldMessages.push(...sent)
      comparator.wipe()
    }
    oldMessages.splice(0, Math.max(0, oldMessages.length - OLD_MESSAGES_MAX))
    if ((i + 1) % 1_000 === 0) log(`${i + 1} comparisons: ${JSON.stringify(counts)}`)
  }
  const isEverySortSeen = Object.values({ ...counts, wrong: 1 }).every(count => count > 0)
  if (!isEverySortSeen) notes.push('a kind of fault or of end did not come up')
  return { ok: counts.wrong === 0 && isEverySortSeen, counts, notes: notes.slice(0, 10) }
}

function startRound(random: SeededRandom): Round {
  const secret = random.bytes(1 + random.below(40))
  const isEqual = random.below(2) === 0
  const other = isEqual ? secret : nearbySecret(secret, random)
  return { sides: [sideWith(secret, random), sideWith(other, random)], isEqual, hasFault: false }
}

/** Another secret: with a bit changed, a byte longer, or new. */
function nearbySecret(secret: Uint8Array, random: SeededRandom): Uint8Array {
  const kind = random.below(3)
  if (kind === 0) return changed(secret, random)
  if (kind === 1) return Buffer.concat([secret, Uint8Array.of(0)])
  return Buffer.concat([secret, random.bytes(16)])
}

function sideWith(secret: Uint8Array, random: SeededRandom): Side {
  const comparator = new SecureComparator({ randomBytes: length => random.bytes(length) })
  const cut = random.below(secret.length)
  for (const piece of [secret.subarray(0, cut), secret.subarray(cut)]) if (piece.length > 0) comparator.append(piece)
  return { comparator, sent: [], taken: 0, hasGenuineOnly: true }
}

function playRound(round: Round, random: SeededRandom, oldMessages: readonly Uint8Array[], counts: Counts): void {
  const [left, right] = round.sides
  const flights: Flight[] = []
  const send = (from: Side, bytes: Uint8Array) => {
    from.sent.push(bytes)
    flights.push({ to: from === left ? right : left, bytes })
  }
  counts.comparisons++
  send(left, left.comparator.begin())
  if (random.below(50) === 0) {
    round.hasFault = true
    send(right, right.comparator.begin())
  }
  for (let i = 0; i < DELIVERIES_MAX && flights.length > 0; i++) {
    const [flight] = flights.splice(random.below(flights.length), 1) as [Flight]
    const { to } = flight
    const bytes = throughFault(flight, round, flights, random, oldMessages, counts)
    if (bytes === undefined) continue
    const reply = deliver(to, to === left ? right : left, bytes, counts)
    if (reply !== undefined) send(to, reply)
  }
}

/** What becomes of a message: what arrives now, or nothing. */
function throughFault(
  flight: Flight,
  round: Round,
  flights: Flight[],
  random: SeededRandom,
  oldMessages: readonly Uint8Array[],
  counts: Counts
): Uint8Array | undefined {
  const fault = drawFault(random)
  if (fault === undefined || (fault === 'replay' && oldMessages.length === 0)) return flight.bytes
  counts[fault]++
  round.hasFault = true
  // A duplicate, one that is held and one that is replaced come later, when others may overtake them.
  if (fault === 'duplicate' || fault === 'hold' || fault === 'replay') flights.push(flight)
  return fault === 'replay' ? random.pick(oldMessages) : arriving(fault, flight.bytes, random)
}

function arriving(fault: Exclude<Fault, 'replay'>, bytes: Uint8Array, random: SeededRandom): Uint8Array | undefined {
  switch (fault) {
    case 'drop':
    case 'hold':
      return undefined
    case 'duplicate':
      return bytes
    case 'cut':
      return bytes.subarray(0, random.below(bytes.length))
    case 'change':
      return changed(bytes, random)
    case 'extend':
      return Buffer.concat([bytes, random.bytes(1 + random.below(20))])
  }
}

function drawFault(random: SeededRandom): Fault | undefined {
  let point = random.below(100)
  for (const [fault, share] of Object.entries(FAULTS)) {
    if (point < share) return fault as Fault
    point -= share
  }
  return undefined
}

function deliver(to: Side, from: Side, bytes: Uint8Array, counts: Counts): Uint8Array | undefined {
  let reply: Uint8Array | undefined
  try {
    reply = to.comparator.receive(bytes)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    counts.refused++
    return undefined
  }
  const genuine = from.sent[to.taken]
  if (genuine === undefined || Buffer.compare(bytes.subarray(0, genuine.length), genuine) !== 0)
    to.hasGenuineOnly = false
  to.taken++
  return reply
}

/** What is wrong with the ends of a round, if anything. */
function judge({ sides, isEqual, hasFault }: Round, counts: Counts): string | undefined {
  let problem: string | undefined
  for (const { comparator, hasGenuineOnly } of sides) {
    const { result } = comparator
    counts[result === 'match' ? 'matches' : result === 'no-match' ? 'noMatches' : 'unfinished']++
    if (result === 'match' && !isEqual) problem = 'a match of different secrets'
    if (result === 'match' && !hasGenuineOnly) problem = 'a match after a message that was not the peer’s'
    if (!hasFault && result !== (isEqual ? 'match' : 'no-match')) problem = `${result} without a fault`
  }
  return problem
}

function changed(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = bytes.slice()
  const offset = random.below(copy.length)
  copy[offset] = (copy[offset] as number) ^ (1 << random.below(8))
  return copy
}
