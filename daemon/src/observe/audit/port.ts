/** What an entry of the audit log tells of. */
export type AuditAction =
  | 'peer.added'
  | 'peer.removed'
  | 'peer.renamed'
  | 'peer.updated'
  | 'peer.blocked'
  | 'peer.unblocked'
  | 'peer.trust'
  | 'peer.accept-key'
  | 'peer.changed'
  | 'pairing.opened'
  | 'pairing.verified'
  | 'pairing.failed'
  | 'compare.match'
  | 'compare.no-match'
  | 'identity.rotated'
  | 'identity.followed'
  | 'store.key-rotated'
  | 'keyring.passphrase'
  | 'vault.key-rotated'
  | 'node.shutdown'

/** An entry as it is handed in. The log adds number and time. No field may hold a secret. */
export interface AuditEntry {
  readonly action: AuditAction
  /** Whom or what it was done to: a contactId, a fingerprint, a key number. At most 256 bytes of UTF-8. */
  readonly subject?: string
  /** Who did it: `local` is the owner of the socket's connection, `peer` the other side, `daemon` the daemon itself. */
  readonly by: string
  /** At most 16 fields, 2 KiB of UTF-8 together. */
  readonly detail?: Readonly<Record<string, string>>
}

/** The chained log of trust changes, key changes, pairings and administrative calls. */
export interface AuditLog {
  /**
   * Appends an entry; entries stand in the order of the calls. Call it before the change is answered as done, and answer once it has
   * settled, so that a change that nobody logged is never told as done.
   *
   * @returns settles once the entry is on disk
   * @throws {DaemonError} `STORE_UNAVAILABLE` or `SHUTTING_DOWN` as a rejection, when it could not be written
   */
  record(entry: AuditEntry): Promise<void>
}
