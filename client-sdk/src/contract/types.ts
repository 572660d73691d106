/** A state of one part of the daemon, with what to do when it is not `ok`. */
export interface HealthComponent {
  readonly state: 'ok' | 'degraded' | 'down'
  /** Unix milliseconds. */
  readonly since: number
  readonly code?: string
  readonly detail?: string
  readonly action?: string
}

export interface Health {
  readonly ready: boolean
  readonly components: Readonly<Record<string, HealthComponent>>
}

export type SessionState = 'offline' | 'dialling' | 'negotiating' | 'established' | 'rekeying' | 'closing'

export type Trust = 'known' | 'pending' | 'verified' | 'blocked' | 'changed'

/** A contact as shown. `name` is what the owner calls it, `id` what it calls itself; `contact` never changes. */
export interface PeerInfo {
  readonly contact: string
  readonly name: string
  readonly id: string
  readonly nodeId: string
  /** SHA-256 of the Themis public key container, in hexadecimal. */
  readonly fingerprint: string
  readonly trust: Trust
  /** How the contact came to be verified; `inherited` where that was of a key before: when the present one was followed, and the fingerprint of the one before. */
  readonly verified?: {
    readonly how: 'pairing' | 'comparison' | 'owner'
    readonly at: number
    readonly inherited?: { readonly at: number; readonly from: string }
  }
  /** While trust is `changed`: another key, on which the owner has to decide. */
  readonly offered?: {
    readonly reason: 'card' | 'fork' | 'succession'
    readonly at: number
    readonly fingerprint: string
  }
  /** Of the card. */
  readonly addresses: readonly string[]
  /** Local override of `addresses`, or null. */
  readonly addressOverride: readonly string[] | null
  readonly cardSerial: number
  /** Fingerprint of the first key of the lineage. */
  readonly lineage: string
  readonly addedAt: number
  readonly session: PeerSessionInfo
  /** What waits until this peer's daemon has it. */
  readonly queue: QueueInfo
}

export interface PeerSessionInfo {
  readonly state: SessionState
  /** Unix milliseconds since when the state holds. */
  readonly since: number
  /** Who opened the session that is up. */
  readonly openedBy?: 'us' | 'peer'
  readonly address?: string
  readonly generation?: number
  /** What the peer's daemon can do on the session that is up. */
  readonly features?: readonly string[]
  /** Why the last session or dial ended. */
  readonly lastEnd?: { readonly code: string; readonly detail: string; readonly at: number }
  /** Unix milliseconds of the next dial, while backing off. */
  readonly nextDialAt?: number
}

/** Strangers and refused connections, by node ID or, where Noise had not run, by address; the newest 100. */
export interface RefusedInfo {
  readonly reason: string
  readonly nodeId?: string
  readonly address: string
  readonly count: number
  readonly lastAt: number
}

/** A comparison that a contact has started, and that nobody here has answered. */
export interface WaitingComparison {
  /** 32 hexadecimal digits. */
  readonly compare: string
  readonly contact: string
  readonly name: string
  /** What the contact asks, cleaned; may be empty. At most 200 characters. */
  readonly question: string
  /** `verify`: answered with the same purpose, a match makes each side a verified contact of the other. */
  readonly purpose: ComparePurpose
  /** Unix milliseconds. */
  readonly startedAt: number
}

/** What a match is for. `verify`: the contact becomes verified, where both sides name it. */
export type ComparePurpose = 'compare' | 'verify'

/** `disagree`: one side found a match, and the other did not or could not say. */
export type CompareVerdict = 'match' | 'no-match' | 'disagree'

export interface CompareResult {
  readonly compare: string
  readonly verdict: CompareVerdict
  /** Whether the contact is verified by it: a match that both sides named for that. */
  readonly verified: boolean
}

export interface NodeStatus {
  readonly pid: number
  readonly id: string
  readonly nodeId: string
  readonly fingerprint: string
  readonly version: string
  readonly bootId: string
  readonly startedAt: number
  readonly uptimeMs: number
  readonly home: string | null
  readonly socket: string
  /** Multiaddrs that are bound. */
  readonly listen: readonly string[]
  /** Multiaddrs that the card lists. */
  readonly announce: readonly string[]
  readonly sessions: number
  readonly peers: readonly PeerInfo[]
  readonly refused: readonly RefusedInfo[]
  /** Counts since the start, by name: glares, rekeys, sessions ended by reason, and so on. */
  readonly counters: Readonly<Record<string, number>>
  /** What waits for all peers together. */
  readonly queue: QueueInfo
  readonly inbox: InboxInfo
  readonly consumers: readonly ConsumerInfo[]
  /** Comparisons that wait for a secret from here. */
  readonly comparisons: readonly WaitingComparison[]
  readonly ready: boolean
}

export interface IdentityInfo {
  readonly id: string
  readonly fingerprint: string
  readonly nodeId: string
  readonly lineage: string
  /** How often the Themis key was replaced. */
  readonly rotations: number
  readonly cardSerial: number
  /** Themis public key container, base64. */
  readonly publicKey: string
  /** Ed25519 public key for NaCl formats, base64. */
  readonly boxKey: string
  readonly createdAt: number
}

/** The keys of the daemon's store. */
export interface StoreKeysInfo {
  /** The number of the key that seals. */
  readonly newest: number
  /** Whether records are being sealed anew, and an older key is still kept for those that are not. */
  readonly rotating: boolean
  /** Records sealed anew since the daemon began, or went on with, the last rotation. */
  readonly resealed: number
  /** The code of what keeps the rotation from going on; it goes on by itself. */
  readonly waitingFor?: string
}

/** Where reading starts: the oldest kept, only what is new, or after an index. */
export type From = 'start' | 'now' | { readonly after: number }

export interface MessageFilter {
  /** Names, IDs or contact IDs; absent means everyone. */
  readonly peers?: readonly string[]
  /** Absent means every channel. */
  readonly channels?: readonly string[]
}

/**
 * Consecutive messages of one lane, with one header. The n-th body has index `first + n`, and the ID is `id` with n added to its last part.
 */
export interface MessageRun {
  readonly first: number
  readonly contact: string
  /** The sender's own ID; `fromName` is what the owner calls it. */
  readonly from: string
  readonly fromName: string
  readonly channel: string
  /** `<epoch>.<lane>.<seq>` of the first. */
  readonly id: string
  /** When the sender's daemon accepted the run, Unix milliseconds by its clock. */
  readonly sentAt: number
  /** It was, or may have been, given to this consumer before. */
  readonly redelivered: boolean
  /** The sender's daemon was restored from a backup: these messages may have come before, under other IDs. */
  readonly maybeDuplicate: boolean
  readonly bodies: readonly Uint8Array[]
}

/** IDs given to messages: `count` consecutive ones from `first`. */
export interface IdRange {
  readonly first: string
  readonly count: number
}

/**
 * How far a durable message has come. `accepted`: on this disk. `sent`: on a session. `stored`: on the peer's disk. `handled`: an app there acknowledged
 * it. `expiring`: its time is over, and whether it arrived is being found out. The others are final, and say why.
 */
export type MessageState =
  | 'accepted'
  | 'sent'
  | 'stored'
  | 'handled'
  | 'expiring'
  | 'expired'
  | 'rejected'
  | 'cancelled'

/** Consecutive messages of one lane in one state. */
export interface MessageStateRange extends IdRange {
  readonly state: MessageState
  /** Of `expired`: no app of the peer ever sees them, or nobody knows. */
  readonly reached?: 'no' | 'maybe'
  /** Of `rejected` and `cancelled`: a code, or what the app said. */
  readonly reason?: string
}

/** What `messages.get` tells of messages of one lane. */
export interface MessageStates {
  readonly contact: string
  readonly channel: string
  readonly ranges: readonly MessageStateRange[]
}

/** A numbered send of a client that was accepted. */
export interface AcceptedSend {
  readonly number: number
  readonly ids: readonly IdRange[]
}

/** What waits to be stored by peers. */
export interface QueueInfo {
  readonly messages: number
  /** Of bodies. */
  readonly bytes: number
  /** When the oldest was accepted, Unix milliseconds. */
  readonly oldestAt?: number
}

export interface ConsumerInfo {
  readonly consumer: string
  readonly owner: string
  readonly filter: MessageFilter
  /** Everything up to here is acknowledged. */
  readonly cursor: number
  /** Messages that wait for its ack, and the oldest of them. */
  readonly lag: number
  readonly oldestAt?: number
  /** Of those, messages that were given to its reader. */
  readonly unacknowledged: number
  readonly stalled: boolean
  /** Who reads as it now. */
  readonly by?: string
}

/** What the daemon keeps for apps. */
export interface InboxInfo {
  readonly messages: number
  readonly bytes: number
  /** Kept on disk, of the same. */
  readonly durableMessages: number
  readonly durableBytes: number
  readonly oldestAt?: number
}

/** Why something is as it is: one line each. */
export interface Why {
  readonly subject: 'message' | 'peer'
  readonly state: string
  readonly cause: string
  readonly action: string
  /** Unix milliseconds since when it is so, where that is known. */
  readonly since?: number
}

export interface Limits {
  readonly messageBytesMax: number
  readonly requestBytesMax: number
  readonly callCountMax: number
  readonly callBytesMax: number
  readonly channelBytesMax: number
}

/** `offered`: no program has accepted it yet; `paused`: `waitsFor` tells why; the last two are final. */
export type TransferState = 'offered' | 'active' | 'paused' | 'done' | 'cancelled'

/** One file on its way, or waiting to be. */
export interface TransferInfo {
  /** Its ID on both sides: 32 hexadecimal characters. */
  readonly transfer: string
  readonly direction: 'in' | 'out'
  readonly contact: string
  /** What the owner calls the contact. */
  readonly peer: string
  /** The file's name as its sender gave it, cleaned to be shown; never a path to open. */
  readonly name: string
  /** In bytes. */
  readonly size: number
  readonly state: TransferState
  /** Who has to come back: the program here, the peer's daemon, the peer's program. Null where nobody has. */
  readonly waitsFor: 'app' | 'peer' | 'peer-app' | null
  /** What the receiving program has synced, as far as is known here. */
  readonly position: number
  /** Why there is no stream to the peer, where there was one or it was tried. */
  readonly lastEnd: string | null
  /** Unix milliseconds. */
  readonly createdAt: number
}

/**
 * How far a pairing is. An inviter's is `open`, and is so again after a run that failed, or `wrong-code` where that cost a try; a joiner's is `dialling`. Both
 * are `connected`, `comparing`, `matched` (the secrets are the same), `pending` (the other side has shown its card), perhaps `interrupted`, and in the end
 * `verified` or `failed`.
 */
export type PairingState =
  | 'open'
  | 'dialling'
  | 'connected'
  | 'comparing'
  | 'wrong-code'
  | 'matched'
  | 'pending'
  | 'interrupted'
  | 'verified'
  | 'failed'
