import type { Health, IdentityInfo, IdRange, NodeStatus, PeerInfo, StoreKeysInfo } from '@parley/client-sdk/contract'

export interface SendRequest {
  readonly peer: string
  readonly channel: string
  /** At least one; each at most `limits.messageBytesMax`. Ownership passes to the callee. */
  readonly bodies: readonly Uint8Array[]
  readonly timeoutMs: number
}

/** To whom durable messages and requests go. */
export interface Recipient {
  readonly contact: string
  /** Of the contact's Themis key now, 32 bytes. */
  readonly fingerprint: Uint8Array
  /** What the owner calls the contact. */
  readonly name: string
}

/** Contacts and their sessions, as the socket's methods see them. Every failure is a `DaemonError`. */
/** What the owner says of the keys of a contact. */
export interface KeyDecision {
  /** Of the key that is the contact's from now on, in hexadecimal. */
  readonly fingerprint: string | undefined
  /** What becomes of messages that were accepted for other keys. */
  readonly queue: 'send' | 'cancel' | undefined
}

export interface PeersApi {
  list(): readonly PeerInfo[]
  get(peer: string): PeerInfo
  add(card: string, name: string | undefined): Promise<{ readonly peer: PeerInfo; readonly added: boolean }>
  update(peer: string, addresses: readonly string[] | null): Promise<PeerInfo>
  remove(peer: string): Promise<void>
  rename(peer: string, name: string): Promise<PeerInfo>
  block(peer: string, blocked: boolean): Promise<PeerInfo>
  /** @throws {DaemonError} `UNTRUSTED` `KEY_NOT_OFFERED` */
  trust(peer: string, trust: 'known' | 'verified', fingerprint: string | undefined): Promise<PeerInfo>
  /** @throws {DaemonError} `KEY_NOT_OFFERED` */
  acceptKey(peer: string, decision: KeyDecision): Promise<{ readonly peer: PeerInfo; readonly held: number }>
  /** The contact ID that `peer` means. @throws {DaemonError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` */
  resolve(peer: string): string
  /** The same where something may be sent. @throws {DaemonError} `BLOCKED` `UNTRUSTED` besides */
  recipient(peer: string): Recipient
  /** Resolves when the whole run is on the stream. */
  send(request: SendRequest): Promise<{ readonly ids: readonly IdRange[] }>
}

export interface IdentityApi {
  show(): IdentityInfo
  card(): string
  /** Gives this daemon another Themis key. Resolves once that is on disk. @throws {DaemonError} `STORE_UNAVAILABLE` `NOT_SUPPORTED` */
  rotate(): Promise<IdentityInfo>
}

/** The keys of the store. */
export interface KeysApi {
  info(): StoreKeysInfo
  /** Begins a rotation, or joins the one that runs. Resolves once the new key is on disk. */
  begin(): Promise<StoreKeysInfo>
}

export interface NodeApi {
  status(): NodeStatus
  health(): Health
  /** Starts an orderly stop and returns. */
  shutdown(): void
}
