import type { PrivateKey } from '@parley/protocol'
import type { NodeId } from '../transport/port.ts'

/** Who this daemon is, as its sessions need it. The keys may be others later: who holds on to them makes a copy. */
export interface Self {
  readonly id: string
  readonly privateKey: PrivateKey
  /** The Themis public key's container. */
  readonly publicKeyBytes: Uint8Array
  /** SHA-256 of `publicKeyBytes`. */
  readonly fingerprint: Uint8Array
  readonly nodeId: NodeId
  /** Succession statements, from the first on. */
  chain(): readonly Uint8Array[]
  /** 16 random bytes, new at each start. */
  readonly bootId: Uint8Array
  /** The serial of the current card, and the card itself as bytes. */
  cardSerial(): number
  cardBytes(): Uint8Array
}
