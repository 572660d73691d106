import type { MessageState, PeerInfo, SessionState, Why } from '@parley/client-sdk/contract'
import type { MessageFacts } from '../delivery/outbox-api.ts'
import { cleanText } from '../identity/names.ts'
import type { EndCode } from '../peer/fault.ts'
import { DURABLE } from '../peer/hello.ts'

/** One line of cause and one of what to do; `NAME` in them stands for the peer. */
interface Lines {
  readonly cause: string
  readonly action: string
}

const WAIT = 'Nothing: it goes on by itself.'
const lines = (cause: string, action: string = WAIT): Lines => ({ cause, action })

/** Why there is no session, by how the last one, or the last dial, ended. The compiler asks for all. */
const ENDS: Readonly<Record<EndCode, Lines>> = {
  AUTHENTICATION_FAILED: lines(
    'who answers for NAME could not prove its key',
    'Ask NAME, by another way, whether its key is new; compare fingerprints: `parley peer show NAME`.'
  ),
  HANDSHAKE_TIMED_OUT: lines(
    'NAME began a handshake and did not finish it in time',
    'See how NAME is doing, and the network between.'
  ),
  HANDSHAKE_LIMIT: lines('there were too many handshakes with NAME'),
  HELLO_MISMATCH: lines(
    'NAME and this daemon disagree about who they are talking to',
    'Exchange cards anew: `parley card` on both sides.'
  ),
  VERSION_MISMATCH: lines('NAME runs a version that this one cannot talk to', 'Bring both to the same release.'),
  PROTOCOL_VIOLATION: lines(
    'NAME broke a rule of the protocol',
    'Bring both to the same release; report it with the log.'
  ),
  FRAME_TOO_LARGE: lines(
    'NAME sent a frame that is too long',
    'Bring both to the same release; report it with the log.'
  ),
  LANE_GAP: lines('messages of NAME had a gap; the next session settles that'),
  CREDIT_EXCEEDED: lines(
    'NAME sent more than it was granted',
    'Bring both to the same release; report it with the log.'
  ),
  CHAIN_FOREIGN: lines(
    'NAME showed a succession of keys that is not its own, or not signed',
    'Ask NAME, by another way, whether its key is new; pair anew if it is: `parley pair --renew NAME`.'
  ),
  CHAIN_REPLAYED: lines(
    'NAME came with an older key than the one that is known',
    'Ask NAME whether its daemon was put back from an old backup; then pair anew: `parley pair --renew NAME`.'
  ),
  CHAIN_GAP: lines('NAME has changed its key too often to be followed', 'Pair anew: `parley pair --renew NAME`.'),
  FORK: lines(
    'a key of NAME has two successors: somebody else has had that key',
    'Ask NAME, by another way, which key is its own, and pair anew: `parley pair --renew NAME`.'
  ),
  CHANNEL_LIMIT: lines('NAME opened too many channels', 'Have its programs use fewer channel names.'),
  FLOODED: lines('NAME sent faster than it may', 'Look at what its programs send.'),
  PEER_SILENT: lines(
    'nothing came from NAME any more',
    'Check that the host of NAME is up and that the network between carries packets.'
  ),
  PEER_CLOSED: lines('NAME ended the session', 'Check that its daemon runs: `parley status` there.'),
  PEER_RESTARTED: lines('the daemon of NAME was started anew'),
  CONNECTION_LOST: lines('the connection to NAME broke', 'Check that its daemon runs and the network between.'),
  GLARE: lines('both sides dialled at once, and one session was enough'),
  REKEYED: lines('the session was replaced by one with fresh keys'),
  REPLACED: lines('the session was replaced by a newer one'),
  STORE_REOPENED: lines('the store was opened anew, and sessions with it'),
  SESSION_EXPIRED: lines('the session reached its greatest age, and no newer one came up in time'),
  BLOCKED: lines('NAME was blocked here'),
  CHANGED: lines(
    'the key of NAME is to be decided on',
    'See `parley peer show NAME`, and decide: `parley peer accept-key NAME FINGERPRINT`.'
  ),
  REMOVED: lines('NAME was removed here'),
  STOPPING: lines('one side was stopped', 'Check that the daemon of NAME runs.'),
  FAILED: lines('the session failed here', 'Look into the log, and report it.'),
  DIAL_FAILED: lines(
    'nothing answers at the addresses of NAME',
    'Check that its daemon runs, and its addresses: `parley peer show NAME`.'
  ),
  WRONG_NODE: lines(
    'another node answers at the address of NAME',
    'Ask NAME for its new card: `parley peer add CARD`.'
  ),
  NOT_ACCEPTED: lines(
    'NAME hangs up: it has probably not added your card, or has blocked you',
    'Give it your card: `parley card`, and `parley peer add` there.'
  )
}

const STATES: Readonly<Record<SessionState, Lines>> = {
  offline: lines(
    'NAME has not been reached since this daemon started',
    'Check its addresses: `parley peer show NAME`.'
  ),
  dialling: lines('NAME is being dialled'),
  negotiating: lines('a handshake with NAME is under way'),
  established: lines('NAME is in session', 'Nothing needs to be done.'),
  rekeying: lines('NAME is in session, which is being replaced by one with fresh keys', 'Nothing needs to be done.'),
  closing: lines('this daemon is stopping', 'Start it again: `parley up`.')
}

/** Reasons of rejections that daemons give; any other is what an app said. */
const REJECTIONS: Readonly<Record<string, Lines>> = {
  NOT_HANDLED: lines(
    'no program of NAME acknowledged it for as long as its daemon keeps messages',
    'Start the program there that reads channel CHANNEL, and send it again.'
  ),
  RECORD_DAMAGED: lines('its record in the store here is damaged', 'Send it again; look at the disk.'),
  TOO_LARGE: lines('it is larger than the daemon of NAME takes', 'Send it in smaller parts.')
}

/** What is known of a peer beside its contact: whether the policy lets something pass, and trouble that health tells of. */
export interface PeerSurroundings {
  readonly nowMs: number
  readonly isAllowed: boolean
  /** Of the health component of this peer. */
  readonly trouble: string | undefined
  /** That of the store here, while it cannot be used. */
  readonly storeTrouble: string | undefined
}

/** Why a peer is as it is. */
export function whyPeer(peer: PeerInfo, surroundings: PeerSurroundings): Why {
  const found = peerLines(peer, surroundings)
  const { storeTrouble } = surroundings
  const explained = storeTrouble === undefined ? found : { ...found, ...storeLines(storeTrouble, found.cause) }
  return { subject: 'peer', ...filled(explained, peer.name, '') }
}

/** Why nothing is known of a message: the store here, which has it or not, cannot be used. */
export function whyStore(storeTrouble: string): Why {
  return { subject: 'message', state: 'unknown', ...storeLines(storeTrouble, 'what it kept is known again with it') }
}

function storeLines(storeTrouble: string, rest: string): Lines {
  return lines(
    `the store here cannot be used (${storeTrouble}): nothing that is kept goes out or comes in; ${rest}`,
    WAITS.store.action
  )
}

interface Explained extends Lines {
  readonly state: string
  readonly since?: number | undefined
}

function peerLines(peer: PeerInfo, { nowMs, isAllowed, trouble }: PeerSurroundings): Explained {
  const { session, trust } = peer
  if (trust === 'blocked')
    return { state: 'blocked', ...lines('NAME is blocked here', 'Unblock it: `parley peer block NAME --off`.') }
  if (trust === 'changed') {
    const text = 'NAME shows another key than the one that is known, and nothing passes until you have decided'
    const action =
      'Ask NAME, by another way, which key is right (`parley peer show NAME`), then `parley peer accept-key NAME FINGERPRINT`.'
    return { state: 'changed', since: peer.offered?.at, ...lines(text, action) }
  }
  if (!isAllowed) {
    const text = `NAME is ${trust}, and the policy asks for verified`
    return { state: 'untrusted', ...lines(text, 'Verify the contact, or set trust.require = "known".') }
  }
  if (trouble === 'QUARANTINED') {
    const action = 'Look into the log and report it; restart the daemon to try again.'
    return { state: 'quarantined', ...lines('the session with NAME failed too often', action) }
  }
  const { state, since } = session
  if (state === 'established' || state === 'rekeying') return { state, since, ...upLines(peer) }
  const { lastEnd } = session
  if (state !== 'offline' || lastEnd === undefined) return { state, since, ...STATES[state] }
  const { cause, action } = endLines(lastEnd.code)
  const next =
    session.nextDialAt === undefined ? '' : `; the next dial is in ${secondsText(session.nextDialAt - nowMs)}`
  return { state, since, cause: `${cause}${next}`, action }
}

function upLines(peer: PeerInfo): Lines {
  const { queue, session } = peer
  if (queue.messages === 0) return STATES[session.state]
  if (lacksDurable(peer))
    return lines(`NAME is in session, but ${NO_DURABLE.cause}: ${count(queue.messages)}`, NO_DURABLE.action)
  return lines(`NAME is in session; ${count(queue.messages)}`, 'Ask why of one of them: `parley why MESSAGE`.')
}

const NO_DURABLE = lines(
  'its daemon, or its store, takes no messages that are kept now',
  'Bring its daemon to this release and see its `parley status`; `durable: false` passes.'
)

const count = (messages: number) => (messages === 1 ? '1 message waits' : `${messages} messages wait`)
const secondsText = (ms: number) => `${Math.max(0, Math.ceil(ms / 1_000))} s`
const isUp = ({ session }: PeerInfo) => session.state === 'established' || session.state === 'rekeying'
const lacksDurable = ({ session }: PeerInfo) => session.features?.includes(DURABLE) === false

/** Codes of another version of this daemon have no words here. */
function endLines(code: string): Lines {
  return Object.hasOwn(ENDS, code) ? ENDS[code as EndCode] : lines(`the session ended with ${code}`)
}

/** Why a durable message has come as far as it has. `peer` is undefined once the contact was removed. */
export function whyMessage(facts: MessageFacts, peer: PeerInfo | undefined, surroundings: PeerSurroundings): Why {
  const { cause, action, since } = messageLines[facts.state](facts, peer, surroundings)
  const name = peer?.name ?? 'the peer'
  return { subject: 'message', ...filled({ state: facts.state, since, cause, action }, name, facts.channel) }
}

type Explain = (
  facts: MessageFacts,
  peer: PeerInfo | undefined,
  surroundings: PeerSurroundings
) => Lines & { readonly since?: number | undefined }

const messageLines: Readonly<Record<MessageState, Explain>> = {
  accepted: (facts, peer, surroundings) => waitingLines(facts, peer, surroundings),
  sent: (_facts, peer, surroundings) => {
    if (peer === undefined || isUp(peer))
      return lines('it is on its way: the daemon of NAME has not said yet that it has it')
    const { cause, action, since } = peerLines(peer, surroundings)
    return {
      since,
      ...lines(`it was on its way when the session ended, and goes again when NAME is back: ${cause}`, action)
    }
  },
  stored: () =>
    lines(
      'the daemon of NAME has it, and no program there has acknowledged it',
      'Start the program of NAME that reads channel CHANNEL: `parley status` there lists consumers.'
    ),
  handled: () => lines('a program of NAME has acknowledged it', 'Nothing needs to be done.'),
  expiring: () =>
    lines(
      'its time is over, and it may have arrived before: NAME has not said which',
      'Wait until NAME is back in session; after 30 days it counts as expired.'
    ),
  expired: ({ reached }) =>
    reached === 'maybe'
      ? lines(
          'its time was over, and NAME was not heard of for so long that nobody knows whether it arrived',
          'Ask NAME; send it again if it still matters.'
        )
      : lines(
          'its time was over before NAME had it; it will not arrive',
          'Send it again, with more time, if it still matters.'
        ),
  rejected: ({ reason = '' }) =>
    Object.hasOwn(REJECTIONS, reason)
      ? (REJECTIONS[reason] as Lines)
      : lines(`NAME refused it: ${cleanText(reason, 800) || 'without a word'}`, 'See what the reason says.'),
  cancelled: ({ reason }) =>
    lines(
      reason === undefined ? 'it was taken back here before it left' : takenBack(reason),
      'Nothing: NAME never gets it.'
    )
}

function takenBack(reason: string): string {
  return reason === 'REMOVED' ? 'NAME was removed or blocked here while it waited' : `it was taken back here: ${reason}`
}

const WAITS: Readonly<Record<NonNullable<MessageFacts['waitsFor']>, Lines>> = {
  session: lines('NAME is in session, and the message is about to leave'),
  credit: lines(
    'the daemon of NAME takes no more on channel CHANNEL now: what it keeps there for programs is at its bound',
    'Have a program of NAME read and acknowledge that channel.'
  ),
  turn: lines('others go before it'),
  store: lines('the store here cannot be used', 'Look at the disk: space, mode, errors. The daemon goes on by itself.'),
  epochs: lines(
    'numbers began anew too often with NAME: one of the two identities runs twice, or its store is restored again and again',
    'Find the copy and stop it; sending goes on within the hour.'
  ),
  key: lines(
    'NAME has another key than when it was accepted',
    'Make sure that the new key is that of NAME; then `parley peer accept-key NAME --queue send`, or `--queue cancel`.'
  )
}

function waitingLines(
  { waitsFor = 'session', acceptedAt }: MessageFacts,
  peer: PeerInfo | undefined,
  surroundings: PeerSurroundings
): Lines & { readonly since?: number | undefined } {
  if (waitsFor !== 'session') return { since: acceptedAt, ...WAITS[waitsFor] }
  if (peer === undefined) return lines('the contact was removed')
  if (!isUp(peer) || !surroundings.isAllowed) return peerLines(peer, surroundings)
  return { since: peer.session.since, ...(lacksDurable(peer) ? NO_DURABLE : WAITS.session) }
}

function filled({ state, since, cause, action }: Explained, name: string, channel: string): Omit<Why, 'subject'> {
  const fill = (text: string) => text.replaceAll(/\b(NAME|CHANNEL)\b/g, word => (word === 'NAME' ? name : channel))
  return { state, cause: fill(cause), action: fill(action), ...(since !== undefined && { since }) }
}
