import { z } from 'zod'

const KiB = 1_024
const MiB = 1_024 * KiB
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A whole number with its default, its hard bounds (nothing can be set to "no limit"), and why it is what it is. */
function limit(start: number, min: number, max: number, unit: string, reason: string) {
  return z
    .number({ error: 'must be a whole number' })
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`)
    .default(start)
    .meta({ description: reason, unit, min, max })
}

const bytes = (start: number, min: number, max: number, reason: string) => limit(start, min, max, 'bytes', reason)
const ms = (start: number, min: number, max: number, reason: string) => limit(start, min, max, 'milliseconds', reason)
const count = (start: number, min: number, max: number, reason: string) => limit(start, min, max, 'count', reason)

/**
 * Every queue, buffer, wait and retry. A value that both sides of a session must agree on, or that the wire format
 * fixes, can be lowered but not raised.
 */
export const limitsSchema = z.strictObject({
  // messages and frames
  messageBytesMax: bytes(
    MiB,
    1,
    MiB,
    'One message body. 1 MiB keeps a message in one frame and in memory; larger things are transfers.'
  ),
  frameBytesMax: bytes(
    1_088 * KiB,
    72 * KiB,
    1_088 * KiB,
    'One frame of a proven peer: the largest message, its headers and 4 KiB of control. Longer frames close the stream before a byte is buffered.'
  ),
  unprovenFrameBytesMax: bytes(
    4 * KiB,
    1 * KiB,
    4 * KiB,
    'One handshake frame of a peer that has proven nothing; Themis handshake messages are below 1 KiB.'
  ),
  preludeBytesMax: bytes(
    16 * KiB,
    1 * KiB,
    16 * KiB,
    'The first frame of a session: up to 32 key changes of about 500 bytes.'
  ),

  // contacts and strangers
  contactCountMax: count(10_000, 1, 100_000, 'Contacts in the book; each takes about 2 KiB of memory.'),
  sessionCountMax: count(1_000, 1, 10_000, 'Contacts in session at once; each takes a TCP connection and its buffers.'),
  unprovenCountMax: count(
    32,
    1,
    1_024,
    'Connections that have not yet passed the handshake, over all: what strangers together may hold.'
  ),
  connectionsPerSecondPerAddress: count(
    5,
    1,
    1_000,
    'Inbound connections from one address: a Noise handshake costs about a millisecond. Profile "test" raises it.'
  ),
  connectionsPerSecondPerNode: count(
    5,
    1,
    1_000,
    'Inbound connections of one node ID, however many addresses it has. Profile "test" raises it.'
  ),
  handshakeTimeoutMs: ms(
    10 * SECOND,
    500,
    MINUTE,
    'From the open stream to the proven peer: four messages, so this allows for 2 s of delay each way.'
  ),
  handshakesAtOncePerContact: count(
    2,
    2,
    16,
    'Side by side: one that we opened and one that the peer opened. Profile "test" raises it.'
  ),
  handshakesPerMinutePerContact: count(
    30,
    2,
    10_000,
    'Both directions: a contact in a crash loop is one try each two seconds. Profile "test" raises it.'
  ),

  // dialling
  dialIntervalMs: ms(SECOND, 100, MINUTE, 'Between two dials of a contact, however often an app sends.'),
  dialTimeoutMs: ms(10 * SECOND, 500, MINUTE, 'One dial of one address, Noise and protocol choice included.'),
  sendDialWaitMs: ms(5 * SECOND, 100, MINUTE, 'How long a message that is not durable waits for a dial under way.'),
  sendTimeoutMs: ms(
    10 * SECOND,
    100,
    HOUR,
    'How long a message that is not durable waits for credit of the receiver, unless the call says otherwise.'
  ),
  backOffMinMs: ms(SECOND, 50, MINUTE, 'The first wait after a failed dial; it doubles from there, with full jitter.'),
  backOffMaxMs: ms(
    5 * MINUTE,
    SECOND,
    HOUR,
    'The longest wait between dials: a peer that comes back is found within it.'
  ),

  // lanes
  laneCountMax: count(1_024, 1, 1_024, 'Live lanes (channels) with one contact in one direction.'),
  laneCreditMessages: count(
    16_384,
    16,
    1_048_576,
    'Messages that may wait unread in a lane that is not durable, before its sender must wait.'
  ),
  laneCreditBytes: bytes(
    4 * MiB,
    64 * KiB,
    64 * MiB,
    'Bytes that may wait unread in one lane: four of the largest messages.'
  ),
  contactQueueBytesMax: bytes(
    16 * MiB,
    64 * KiB,
    256 * MiB,
    'Calls to send that wait for one contact, in bytes and 128 for each message; beyond it calls fail with QUEUE_FULL.'
  ),
  unsentBytesMax: bytes(
    64 * MiB,
    MiB,
    1_024 * MiB,
    'The same over all contacts: the bound on the memory of slow networks.'
  ),
  streamUnsentBytesMax: bytes(
    256 * KiB,
    16 * KiB,
    4 * MiB,
    'Frames on one stream that have not left the process: enough for 100 MB/s at 2 ms, small enough that a message waits little.'
  ),

  // sessions
  pingAfterMs: ms(
    10 * SECOND,
    100,
    5 * MINUTE,
    'Silence of the peer after which it is pinged; any byte counts as life.'
  ),
  peerDeadAfterMs: ms(30 * SECOND, 500, 10 * MINUTE, 'Silence after which the session is given up and dialled anew.'),
  rekeyAfterMs: ms(HOUR, SECOND, HOUR, 'Age at which a session is replaced by one with fresh keys.'),
  rekeyAfterWraps: count(
    1_048_576,
    16,
    1_048_576,
    'Frames sent at which a session is replaced: 2^20, far below any bound of AES-GCM.'
  ),
  sessionAgeMsMax: ms(2 * HOUR, 2 * SECOND, 2 * HOUR, 'Hard stop of a session whose rekey does not succeed.'),
  sessionWrapsMax: count(2_097_152, 32, 2_097_152, 'Hard stop in frames sent: 2^21.'),
  rekeyDrainMs: ms(10 * SECOND, 100, MINUTE, "How long a new session's messages wait for the end of the old one."),
  glareWindowMs: ms(
    5 * SECOND,
    100,
    MINUTE,
    'Two sessions opened by both sides within it count as crossed dials, and the side that decides keeps its own.'
  ),
  clockSkewMsMax: ms(
    5 * MINUTE,
    SECOND,
    24 * HOUR,
    "Difference to a peer's clock that is reported as an event; nothing is refused for it."
  ),

  // durable messages, sending
  messageTtlMs: ms(
    7 * DAY,
    SECOND,
    365 * DAY,
    'How long a durable message waits for the peer, unless its call says otherwise.'
  ),
  messageTtlMsMax: ms(365 * DAY, SECOND, 3_650 * DAY, 'The longest that a call may ask for.'),
  outboxBytesMax: bytes(
    256 * MiB,
    2 * MiB,
    64 * 1_024 * MiB,
    'Durable messages that wait on disk until peers have them, in bytes and 128 for each.'
  ),
  outboxContactBytesMax: bytes(128 * MiB, 2 * MiB, 64 * 1_024 * MiB, 'The same for one contact.'),
  outboxLaneBytesMax: bytes(64 * MiB, 2 * MiB, 64 * 1_024 * MiB, 'The same for one channel of one contact.'),
  outboxMessageCountMax: count(1_000_000, 1_024, 100_000_000, 'The same in messages, for all contacts.'),
  // At least what the SDK puts into a call: less would never fit.
  outboxLaneMessageCountMax: count(
    500_000,
    1_024,
    100_000_000,
    'The same in messages, for one channel of one contact.'
  ),
  maybeAfterMs: ms(
    30 * DAY,
    MINUTE,
    365 * DAY,
    'Silence of the peer after which a message whose time is over counts as expired though it may have arrived.'
  ),
  laneIdleMs: ms(7 * DAY, MINUTE, 365 * DAY, 'A durable lane that is empty for so long is closed and forgotten.'),
  clockStepMs: ms(
    HOUR,
    MINUTE,
    24 * HOUR,
    'A step of the wall clock that is told as an event and stops expiry for a while.'
  ),
  clockStepHoldMs: ms(10 * MINUTE, SECOND, DAY, 'That while: time for the clock to be set right.'),
  epochCountPerHourMax: count(
    3,
    1,
    100,
    'New epochs with one contact in an hour; more mean that an identity was copied.'
  ),
  clientCountMax: count(10_000, 10, 1_000_000, 'Programs whose numbered sends, and keys whose calls, are remembered.'),
  clientKeptMs: ms(DAY, MINUTE, 30 * DAY, 'How long they are remembered after their last call.'),

  // durable messages, receiving
  inboxDiskBytesMax: bytes(
    1_024 * MiB,
    4 * MiB,
    1_024 * 1_024 * MiB,
    'Durable messages kept on disk for programs, in bytes and 128 for each.'
  ),
  inboxContactBytesMax: bytes(512 * MiB, 2 * MiB, 1_024 * 1_024 * MiB, 'The same from one contact.'),
  inboxLaneBytesMax: bytes(256 * MiB, 2 * MiB, 1_024 * 1_024 * MiB, 'The same of one lane: at it the lane stops.'),
  inboxRetentionMs: ms(
    30 * DAY,
    MINUTE,
    3_650 * DAY,
    'How long a message that no program acknowledged is kept; then its sender is told.'
  ),
  bodyCacheBytesMax: bytes(16 * MiB, MiB, 1_024 * MiB, 'Bodies of durable messages held in memory, each way.'),

  // requests
  requestAnswerMs: ms(
    10 * SECOND,
    100,
    HOUR,
    'How long a request waits for its answer, unless its call says otherwise.'
  ),
  requestAnswerMsMax: ms(HOUR, SECOND, 24 * HOUR, 'The longest that a call may ask for, and that a peer is believed.'),
  requestContactCountMax: count(256, 16, 65_536, 'Requests in flight with one contact, each way.'),
  requestContactBytesMax: bytes(4 * MiB, 2 * MiB, 256 * MiB, 'The bodies of those requests.'),
  requestAllCountMax: count(4_096, 16, 1_048_576, 'Requests in flight with all contacts, each way.'),
  requestAllBytesMax: bytes(64 * MiB, 2 * MiB, 1_024 * MiB, 'The bodies of those requests.'),
  answerContactBytesMax: bytes(16 * MiB, 2 * MiB, 256 * MiB, 'Answers that wait to be sent to one contact.'),
  answerAllBytesMax: bytes(64 * MiB, 2 * MiB, 1_024 * MiB, 'Answers that wait to be sent to all contacts.'),

  // files
  transferCountMax: count(256, 1, 10_000, 'Files on their way with all contacts, each way, offered or begun.'),
  transferContactCountMax: count(16, 1, 1_000, 'The same with one contact.'),
  transferWindowBytes: bytes(
    2 * MiB,
    512 * KiB,
    64 * MiB,
    'Of one file, sent beyond what the receiving program has synced: enough for 40 MB/s at 50 ms.'
  ),
  transferBytesMax: bytes(
    64 * MiB,
    512 * KiB,
    4_096 * MiB,
    'The windows of all files that are received at once: the memory that they may take.'
  ),
  transferKeptMs: ms(
    10 * MINUTE,
    SECOND,
    DAY,
    'How long a file that has neither a program here nor a stream is remembered; a program may offer it again at any time.'
  ),
  transferOfferMs: ms(DAY, MINUTE, 30 * DAY, 'How long a file is offered to programs that do not accept it.'),

  // the store
  storeReserveBytes: bytes(
    4 * MiB,
    64 * KiB,
    1_024 * MiB,
    'Disk space that is kept free for the recovery of a full disk: a log of LevelDB, written anew.'
  ),
  storeBackOffMinMs: ms(
    SECOND,
    50,
    MINUTE,
    'Wait before a store whose write failed is opened again; it doubles from there.'
  ),
  storeBackOffMaxMs: ms(
    30 * SECOND,
    SECOND,
    HOUR,
    'The longest of these waits: a disk that was mended is found within it.'
  ),

  // programs on this host
  eventCountMax: count(10_000, 100, 1_000_000, 'Events kept for those who read them late.'),
  eventBytesMax: bytes(4 * MiB, 64 * KiB, 256 * MiB, 'The same in bytes.'),
  inboxBytesMax: bytes(64 * MiB, MiB, 1_024 * MiB, 'Received messages kept in memory until programs have taken them.'),
  consumerCountMax: count(1_000, 1, 10_000, 'Named consumers.'),
  consumerUnackedCountMax: count(
    10_000,
    1,
    1_000_000,
    'Messages handed to a consumer and not acknowledged; then it is stalled.'
  ),
  consumerUnackedBytesMax: bytes(64 * MiB, MiB, 1_024 * MiB, 'The same in bytes.'),
  callCountMax: count(256, 1, 10_000, 'Calls of one program that are unanswered.'),
  callBytesMax: bytes(16 * MiB, 2 * MiB, 256 * MiB, 'Bytes of those calls.'),
  requestBytesMax: bytes(
    2 * MiB,
    64 * KiB,
    64 * MiB,
    'One request or message on the socket: the largest body in base64, and room.'
  ),
  requestTimeoutMs: ms(
    10 * SECOND,
    100,
    MINUTE,
    'How long a program may take to send a whole request, or to say hello once it is connected.'
  ),
  appConnectionCountMax: count(256, 1, 10_000, 'Programs connected to the socket at once.'),
  postCountMax: count(1_024, 1, 10_000, 'Calls by POST that are unanswered, of all programs together.'),
  subscriptionCountMax: count(256, 1, 10_000, 'Subscriptions of one program: each message is offered to all of them.'),
  fetchWaitMsMax: ms(MINUTE, SECOND, HOUR, 'The longest wait of a fetch; a program that wants more asks again.'),
  pushBytesMax: bytes(
    MiB,
    512 * KiB,
    64 * MiB,
    'Sent to one program and not read by it, at which messages and events wait for it: more than a socket holds, less than one program may cost.'
  ),
  unreadBytesMax: bytes(4 * MiB, MiB, 256 * MiB, 'The same, at which its calls are refused with TOO_MANY_CALLS.'),
  unreadHangUpBytes: bytes(16 * MiB, 2 * MiB, 1_024 * MiB, 'The same, at which a program that still calls is cut off.'),
  vaultBytesMax: bytes(
    64 * MiB,
    MiB,
    1_024 * MiB,
    'What the vault seals, signs or encrypts at once: the formats are of one piece, which is held in memory up to three times.'
  ),
  vaultTotalBytesMax: bytes(128 * MiB, MiB, 2_048 * MiB, 'The same, of all programs together.'),
  auditCountMax: count(
    20_000,
    100,
    1_000_000,
    'Entries of the audit log: some 400 bytes each. The oldest leave, and what is kept is still chained to them.'
  ),
  shutdownTimeoutMs: ms(
    5 * SECOND,
    100,
    5 * MINUTE,
    'How long a stop may take to send what waits, before it is cut short.'
  )
})

/** What profile "test" uses in place of the defaults above. Nothing else is loosened for tests. */
export const TEST_PROFILE_LIMITS = {
  connectionsPerSecondPerAddress: 1_000,
  connectionsPerSecondPerNode: 1_000,
  handshakesAtOncePerContact: 4,
  handshakesPerMinutePerContact: 10_000
} as const satisfies { readonly [name in keyof z.input<typeof limitsSchema>]?: number }

type Limits = z.output<typeof limitsSchema>

/** Pairs that only make sense in this order: the first must be smaller, or at most as large where `orEqual`. */
const ORDERED: readonly (readonly [keyof Limits, keyof Limits, 'below' | 'orEqual'])[] = [
  ['messageBytesMax', 'frameBytesMax', 'below'],
  ['unprovenFrameBytesMax', 'frameBytesMax', 'below'],
  ['messageBytesMax', 'contactQueueBytesMax', 'orEqual'],
  ['messageBytesMax', 'laneCreditBytes', 'orEqual'],
  ['messageBytesMax', 'inboxBytesMax', 'orEqual'],
  ['messageTtlMs', 'messageTtlMsMax', 'orEqual'],
  ['outboxLaneBytesMax', 'outboxContactBytesMax', 'orEqual'],
  ['outboxContactBytesMax', 'outboxBytesMax', 'orEqual'],
  ['outboxLaneMessageCountMax', 'outboxMessageCountMax', 'orEqual'],
  ['inboxLaneBytesMax', 'inboxContactBytesMax', 'orEqual'],
  ['inboxContactBytesMax', 'inboxDiskBytesMax', 'orEqual'],
  ['messageBytesMax', 'consumerUnackedBytesMax', 'orEqual'],
  ['transferContactCountMax', 'transferCountMax', 'orEqual'],
  ['transferWindowBytes', 'transferBytesMax', 'orEqual'],
  ['vaultBytesMax', 'vaultTotalBytesMax', 'orEqual'],
  ['requestBytesMax', 'callBytesMax', 'orEqual'],
  ['streamUnsentBytesMax', 'unsentBytesMax', 'orEqual'],
  ['pushBytesMax', 'unreadBytesMax', 'below'],
  ['unreadBytesMax', 'unreadHangUpBytes', 'below'],
  ['backOffMinMs', 'backOffMaxMs', 'orEqual'],
  ['storeBackOffMinMs', 'storeBackOffMaxMs', 'orEqual'],
  ['pingAfterMs', 'peerDeadAfterMs', 'below'],
  ['rekeyAfterMs', 'sessionAgeMsMax', 'below'],
  ['rekeyAfterWraps', 'sessionWrapsMax', 'below']
]

/** Pairs of limits that contradict each other: the larger one's name and what it must be. */
export function contradictions(limits: Limits): { readonly key: keyof Limits; readonly message: string }[] {
  const room = 64 * KiB
  const found = ORDERED.filter(([low, high, rule]) =>
    rule === 'below' ? limits[low] >= limits[high] : limits[low] > limits[high]
  ).map(([low, high, rule]) => ({
    key: high,
    message: `must be ${rule === 'below' ? 'more than' : 'at least'} limits.${low} (${limits[low]})`
  }))
  if (limits.frameBytesMax - limits.messageBytesMax < room) {
    found.push({
      key: 'frameBytesMax',
      message: `must be at least limits.messageBytesMax and ${room} bytes for headers`
    })
  }
  return found
}
