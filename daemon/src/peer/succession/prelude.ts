import type { PublicKey } from '@parley/protocol'
import { DaemonError } from '../../errors.ts'
import { FieldReader, joinBytes, lengthPrefixed, u64Bytes } from '../../identity/fields.ts'
import { STATEMENT_BYTES_MAX } from '../../identity/keyring.ts'
import type { Succession } from '../../identity/succession.ts'
import { PeerFault } from '../fault.ts'
import { CHAIN_LENGTH_MAX, type ChainReading, type HeldChain, heldSerial, readChain } from './chain.ts'

/** What passes before a handshake. */
export interface Prelude {
  /** How many keys of the reader's lineage came before the one that the writer holds; undefined where it does not know. */
  readonly held: number | undefined
  /** Statements of the writer's lineage, oldest first. */
  readonly statements: readonly Uint8Array[]
}

const SERIAL_BYTES = 8

/**
 * A prelude as bytes: `lp(held)`, 8 bytes or none, and `lp` of each statement; and nothing at all where the first key of the peer is held
 * and there is no statement.
 */
export function encodePrelude({ held, statements }: Prelude): Uint8Array {
  if (held === 0 && statements.length === 0) return new Uint8Array(0)
  const serial = held === undefined ? new Uint8Array(0) : u64Bytes(held)
  return joinBytes(lengthPrefixed(serial), ...statements.map(lengthPrefixed))
}

/** @throws {PeerFault} `PROTOCOL_VIOLATION` */
export function decodePrelude(bytes: Uint8Array): Prelude {
  if (bytes.length === 0) return { held: 0, statements: [] }
  const reader = new FieldReader(bytes, malformed)
  const serial = reader.field(0, SERIAL_BYTES)
  const statements: Uint8Array[] = []
  while (!reader.atEnd) {
    if (statements.length === CHAIN_LENGTH_MAX) throw malformed()
    statements.push(reader.field(1, STATEMENT_BYTES_MAX))
  }
  return { held: serial.length === 0 ? undefined : serialOf(serial), statements }
}

function serialOf(bytes: Uint8Array): number {
  return new FieldReader(lengthPrefixed(bytes), malformed).u64()
}

function malformed(): PeerFault {
  return new PeerFault('PROTOCOL_VIOLATION', 'a prelude that does not decode')
}

export interface SuccessionOptions {
  /** Statements of this daemon's own lineage, from the first on. */
  readonly own: readonly Uint8Array[]
  /** How many of them the peer is known to have followed; 0 where that is not known. */
  readonly followed: number
  /** What is held of the peer. */
  readonly held: HeldChain
  /** The peer showed a second successor of a key whose successor was followed. */
  forked(held: Succession, shown: readonly Succession[]): void
}

/** Both preludes of one handshake: what is shown of the own chain, and the key that the peer's chain leads to. */
export class SuccessionPreludes {
  readonly #options: SuccessionOptions
  #reading: ChainReading = { kind: 'same' }
  #peerHolds: number | undefined = 0

  constructor(options: SuccessionOptions) {
    this.#options = options
  }

  /** The dialler's. */
  opening(): Uint8Array {
    return this.#encode(this.#options.followed)
  }

  /**
   * Reads the peer's.
   *
   * @returns the key that it has to prove, where that is another than the one that is held
   * @throws {PeerFault} `PROTOCOL_VIOLATION` `CHAIN_FOREIGN` `CHAIN_REPLAYED` `CHAIN_GAP` `FORK`
   */
  read(bytes: Uint8Array): { readonly publicKey: PublicKey; readonly fingerprint: Uint8Array } | undefined {
    const { held, statements } = decodePrelude(bytes)
    this.#peerHolds = held
    this.#reading = this.#readChain(statements)
    if (this.#reading.kind === 'fork') {
      this.#options.forked(this.#reading.held, this.#reading.shown)
      throw new PeerFault('FORK', 'a key of the contact has two successors')
    }
    const last = this.links.at(-1)
    return last === undefined ? undefined : { publicKey: last.newKey, fingerprint: last.newFingerprint }
  }

  /** The acceptor's, after the dialler's was read. */
  answer(): Uint8Array {
    return this.#encode(this.#peerHolds ?? 0)
  }

  /** What is to be followed once the peer has proven the key at its end. */
  get links(): readonly Succession[] {
    return this.#reading.kind === 'ahead' ? this.#reading.links : []
  }

  #readChain(statements: readonly Uint8Array[]): ChainReading {
    try {
      return readChain(statements, this.#options.held)
    } catch (error) {
      if (error instanceof DaemonError && isChainCode(error.code)) throw new PeerFault(error.code, error.message)
      throw error
    }
  }

  #encode(after: number): Uint8Array {
    const { own, held } = this.#options
    // Who holds more than there is here is shown all there is, and sees why it cannot go on. Of a longer chain only the end can be shown.
    const from = after > own.length ? 0 : after
    const statements = own.slice(Math.max(from, own.length - CHAIN_LENGTH_MAX))
    return encodePrelude({ held: heldSerial(held), statements })
  }
}

/** Whether a code says that a succession was shown that cannot be followed. */
export function isChainCode(code: string): code is 'CHAIN_FOREIGN' | 'CHAIN_REPLAYED' | 'CHAIN_GAP' | 'FORK' {
  return code === 'CHAIN_FOREIGN' || code === 'CHAIN_REPLAYED' || code === 'CHAIN_GAP' || code === 'FORK'
}
