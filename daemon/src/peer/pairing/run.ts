import { COMPARATOR_MESSAGE_BYTES, ProtocolError, SecureComparator } from '@parley/protocol'
import { hexOf, sameBytes } from '../../identity/fields.ts'
import type { RandomBytes } from '../../random.ts'
import type { NodeId } from '../../transport/port.ts'
import { bindingOf, commitmentOf, comparedSecret, comparisonHash, type PairingRole } from './binding.ts'
import type { PairingChannel } from './channel.ts'
import type { PairingSecret } from './code.ts'
import { PairingFault } from './fault.ts'
import { BLIND_BYTES, NONCE_BYTES, type PairingHello } from './frames.ts'
import type { PairingSelf } from './port.ts'
import type { SpentTry } from './tries.ts'

/** A run whose own comparison has matched: all that is needed to open the cards and to confirm. */
export interface Match {
  readonly role: PairingRole
  /** T. */
  readonly binding: Uint8Array
  /** SHA-256 of the four messages. */
  readonly comparison: Uint8Array
  readonly peer: NodeId
  readonly peerCommitment: Uint8Array
  /** Our card as it was committed to, and its blind. */
  readonly card: Uint8Array
  readonly blind: Uint8Array
}

/** What a run needs. */
export interface RunDeps {
  readonly self: PairingSelf
  readonly randomBytes: RandomBytes
  /** Our nonces of runs that are under way, in hexadecimal: none of them may come back as the other side's. */
  readonly liveNonces: Set<string>
  /**
   * Spends a try before its answer can be seen: it is on disk when this resolves.
   *
   * @throws {PairingFault} `RESTING` `CANCELLED` `STORE_UNAVAILABLE`
   */
  spend(): Promise<SpentTry>
  /** The comparison begins. */
  comparing(): void
  /** The own comparison has matched, before the other side can see it. What it throws ends the run. */
  matched(): void
}

/** Our side of the hellos. */
interface Opening {
  readonly hello: PairingHello
  readonly card: Uint8Array
  readonly blind: Uint8Array
}

/**
 * Runs the comparison as the inviter, the comparator's responder: from the joiner's hello, which has come, to our message 4.
 *
 * @throws {PairingFault} and the channel is over
 */
export function runInviter(
  channel: PairingChannel,
  theirs: PairingHello,
  secret: PairingSecret,
  deps: RunDeps
): Promise<Match> {
  return guarded(channel, secret, deps, async (own, comparator) => {
    assertOther(channel, own, theirs, deps)
    channel.send({ kind: 'hello', hello: own.hello })
    const binding = bind('inviter', channel, own, theirs, deps.self.nodeId)
    load(comparator, binding, secret)
    deps.comparing()
    const message1 = await nextMessage(channel, 1)
    const message2 = answer(channel, comparator, message1)
    channel.send({ kind: 'comparison', message: message2 })
    const message3 = await nextMessage(channel, 3)
    const spent = await deps.spend()
    if (channel.fault !== undefined) throw channel.fault
    const message4 = answer(channel, comparator, message3)
    if (comparator.result !== 'match') {
      channel.send({ kind: 'comparison', message: message4 })
      channel.end()
      throw new PairingFault('WRONG_CODE', 'the other side has another secret')
    }
    deps.matched()
    await giveBack(spent)
    channel.expectCard()
    channel.proven()
    channel.send({ kind: 'comparison', message: message4 })
    const comparison = comparisonHash([message1, message2, message3, message4])
    return matchOf('inviter', binding, comparison, channel.nodeId, theirs, own)
  })
}

/**
 * Runs the comparison as the joiner, the comparator's initiator: from our hello to the inviter's message 4.
 *
 * @throws {PairingFault} and the channel is over
 */
export function runJoiner(channel: PairingChannel, secret: PairingSecret, deps: RunDeps): Promise<Match> {
  return guarded(channel, secret, deps, async (own, comparator) => {
    channel.send({ kind: 'hello', hello: own.hello })
    const { hello: theirs } = await channel.next('hello')
    if (theirs.form !== secret.form || theirs.nameplate !== secret.nameplate) {
      throw channel.fail('PROTOCOL_VIOLATION', 'a hello of another invitation')
    }
    assertOther(channel, own, theirs, deps)
    const binding = bind('joiner', channel, own, theirs, deps.self.nodeId)
    load(comparator, binding, secret)
    deps.comparing()
    const message1 = comparator.begin()
    channel.send({ kind: 'comparison', message: message1 })
    const message2 = await nextMessage(channel, 2)
    const message3 = answer(channel, comparator, message2)
    if (channel.fault !== undefined) throw channel.fault
    const spent = await deps.spend()
    if (channel.fault !== undefined) throw channel.fault
    channel.send({ kind: 'comparison', message: message3 })
    const message4 = await nextMessage(channel, 4)
    read(channel, comparator, message4)
    if (comparator.result !== 'match') {
      channel.end()
      throw new PairingFault('WRONG_CODE', 'the other side has another secret')
    }
    deps.matched()
    await giveBack(spent)
    channel.expectCard()
    const comparison = comparisonHash([message1, message2, message3, message4])
    return matchOf('joiner', binding, comparison, channel.nodeId, theirs, own)
  })
}

/** Makes our side of a run, and leaves nothing of it behind. */
async function guarded(
  channel: PairingChannel,
  { form, nameplate }: PairingSecret,
  deps: RunDeps,
  run: (own: Opening, comparator: SecureComparator) => Promise<Match>
): Promise<Match> {
  const { randomBytes, self, liveNonces } = deps
  const card = self.card().bytes
  const blind = randomBytes(BLIND_BYTES)
  const nonce = randomBytes(NONCE_BYTES)
  const own = { hello: { form, nameplate, nonce, commitment: commitmentOf(card, blind) }, card, blind }
  using comparator = new SecureComparator({ randomBytes })
  liveNonces.add(hexOf(nonce))
  try {
    return await run(own, comparator)
  } catch (error) {
    if (error instanceof PairingFault && channel.fault === undefined) channel.fail(error.code, error.message)
    throw error
  } finally {
    liveNonces.delete(hexOf(nonce))
  }
}

function assertOther(channel: PairingChannel, own: Opening, theirs: PairingHello, deps: RunDeps): void {
  const isOurs =
    channel.nodeId === deps.self.nodeId ||
    deps.liveNonces.has(hexOf(theirs.nonce)) ||
    sameBytes(own.hello.commitment, theirs.commitment)
  if (isOurs) throw channel.fail('SELF', 'what came is our own')
}

function bind(
  role: PairingRole,
  channel: PairingChannel,
  { hello }: Opening,
  theirs: PairingHello,
  ownNodeId: NodeId
): Uint8Array {
  const { form, nameplate } = hello
  const byRole = <T>(own: T, other: T): Record<PairingRole, T> =>
    role === 'inviter' ? { inviter: own, joiner: other } : { inviter: other, joiner: own }
  return bindingOf({
    form,
    nameplate,
    nodeIds: byRole(ownNodeId, channel.nodeId),
    nonces: byRole(hello.nonce, theirs.nonce),
    commitments: byRole(hello.commitment, theirs.commitment)
  })
}

function load(comparator: SecureComparator, binding: Uint8Array, { secret }: PairingSecret): void {
  const piece = comparedSecret(binding, secret)
  comparator.append(piece)
  piece.fill(0)
}

/** The next message of the comparison, exactly as long as it must be: both sides hash the same bytes. */
async function nextMessage(channel: PairingChannel, number: 1 | 2 | 3 | 4): Promise<Uint8Array> {
  const { message } = await channel.next('comparison')
  if (message.length === COMPARATOR_MESSAGE_BYTES[number]) return message
  throw channel.fail('PROTOCOL_VIOLATION', 'a message of the comparison with a wrong length')
}

function answer(channel: PairingChannel, comparator: SecureComparator, message: Uint8Array): Uint8Array {
  const reply = read(channel, comparator, message)
  if (reply === undefined) throw new TypeError('only message 4 has no answer')
  return reply
}

/** Gives a message to the comparator. Where a proof in it does not hold, the run is over at once. */
function read(channel: PairingChannel, comparator: SecureComparator, message: Uint8Array): Uint8Array | undefined {
  let reply: Uint8Array | undefined
  try {
    reply = comparator.receive(message)
  } catch (error) {
    if (error instanceof ProtocolError) throw channel.fail('TAMPERED', 'a message that cannot be read')
    throw error
  }
  if (comparator.hasFailed) throw channel.fail('TAMPERED', 'a proof that does not hold')
  return reply
}

/** A match is no guess. Where the disk does not take that back, the try is forgotten after ten minutes. */
async function giveBack(spent: SpentTry): Promise<void> {
  try {
    await spent.giveBack()
  } catch {
    // The store tells its own state; the match stands.
  }
}

function matchOf(
  role: PairingRole,
  binding: Uint8Array,
  comparison: Uint8Array,
  peer: NodeId,
  theirs: PairingHello,
  { card, blind }: Opening
): Match {
  return { role, binding, comparison, peer, peerCommitment: theirs.commitment, card, blind }
}
