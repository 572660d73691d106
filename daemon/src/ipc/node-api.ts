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
export interface PeersApi {
  list(): readonly PeerInfo[]
  get(peer: string): PeerInfo
  add(card: string, name: string | undefined): Promise<{ readonly peer: PeerInfo; readonly added: boolean }>
  update(peer: string, addresses: readonly string[] | null): Promise<PeerInfo>
  remove(peer: string): Promise<void>
  rename(peer: string, name: string): Promise<PeerInfo>
  block(peer: string, blocked: boolean): Promise<PeerInfo>
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
