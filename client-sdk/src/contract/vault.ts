/** What the vault does. */
export type VaultOperation = 'seal' | 'open' | 'sign' | 'verify' | 'encrypt' | 'decrypt'

/** A contact, as the vault names it. */
export interface VaultPeer {
  readonly contact: string
  /** Its own ID. */
  readonly id: string
  /** What the owner calls it. */
  readonly name: string
  /** Of the Themis key that was used, in hexadecimal. */
  readonly fingerprint: string
}

export interface VaultResult {
  /** A whole Secure Cell or Secure Message, or the content of one. */
  readonly output: Uint8Array
  /** Who signed, who sent, or for whom it is; null for `seal`, `open` and `sign`. */
  readonly peer: VaultPeer | null
}
