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
  /** Of the card. */
  readonly addresses: readonly string[]
  /** Local override of `addresses`, or null. */
  readonly addressOverride: readonly string[] | null
  readonly cardSerial: number
  /** Fingerprint of the first key of the lineage. */
  readonly lineage: string
  readonly addedAt: number
  readonly session: PeerSessionInfo
}

export interface PeerSessionInfo {
  readonly state: SessionState
  /** Unix milliseconds since when the state holds. */
  readonly since: number
  /** Who opened the session that is up. */
  readonly openedBy?: 'us' | 'peer'
  readonly address?: string
  readonly generation?: number
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
  readonly ready: boolean
}

export interface IdentityInfo {
  readonly id: string
  readonly fingerprint: string
  readonly nodeId: string
  readonly lineage: string
  readonly cardSerial: number
  /** Themis public key container, base64. */
  readonly publicKey: string
  /** Ed25519 public key for NaCl formats, base64. */
  readonly boxKey: string
  readonly createdAt: number
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
  readonly redelivered: boolean
  readonly bodies: readonly Uint8Array[]
}

/** IDs given to messages: `count` consecutive ones from `first`. */
export interface IdRange {
  readonly first: string
  readonly count: number
}

export interface Limits {
  readonly messageBytesMax: number
  readonly requestBytesMax: number
  readonly callCountMax: number
  readonly callBytesMax: number
  readonly channelBytesMax: number
}
