import { inspect } from 'node:util'
import {
  decodePrivateKey,
  fingerprint,
  generateKeyPair,
  type PrivateKey,
  ProtocolError,
  type PublicKey,
  signMessage
} from '@parley/protocol'
import { base32 } from 'multiformats/bases/base32'
import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import { createStoreKeys, decodeStoreKeys, type StoreKeys } from '../store/store-keys.ts'
import type { NodeId } from '../transport/port.ts'
import { FieldReader, hexOf, joinBytes, lengthPrefixed, textBytes, u64Bytes } from './fields.ts'
import { defaultId, isValidName, NAME_BYTES_MAX, parseName } from './names.ts'
import { ED25519_KEY_BYTES, ed25519PublicKey, nodeIdOfPublicKey, signEd25519 } from './node-id.ts'

/** Bytes of a symmetric key of the keyring, and of a SHA-256. */
const KEY_BYTES = 32
/** A key of TLS session tickets, as Node takes it. */
const TICKET_KEY_BYTES = 48
const KEY_CONTAINER_BYTES_MAX = 79
const STORE_KEYS_BYTES_MAX = 4_096
const OPAQUE_SETUP_BYTES_MAX = 4_096
/** How often an identity can be succeeded, and the most keys in a list. */
const LIST_COUNT_MAX = 1_024
/** The longest succession statement that is kept. */
export const STATEMENT_BYTES_MAX = 1_024
const ID_SUFFIX_LENGTH = 5

/** The keys that make an identity what it is to others. */
export interface IdentityParts {
  readonly id: string
  readonly createdAt: number
  /** Fingerprint of the lineage's first Themis key, 32 bytes. */
  readonly lineage: Uint8Array
  readonly identity: PrivateKey
  readonly nodeSeed: Uint8Array
  readonly boxSeed: Uint8Array
}

/** How far the audit log had come when the keyring was last written. */
export interface AuditHead {
  readonly count: number
  /** 32 bytes; zeros before the first entry. */
  readonly head: Uint8Array
}

/** What a keyring holds beside the identity. None of these keys is derived from another. */
export interface OtherKeys {
  readonly storeKeys: StoreKeys
  /** 32 bytes, for Secure Cells of the vault. */
  readonly vaultSealKey: Uint8Array
  /** 32 bytes each, newest first. */
  readonly vaultFernetKeys: readonly Uint8Array[]
  /** 32 bytes each, newest first. */
  readonly tokenFernetKeys: readonly Uint8Array[]
  /** 48 bytes each, newest first. */
  readonly ticketKeys: readonly Uint8Array[]
  /** 32 bytes. */
  readonly auditKey: Uint8Array
  readonly auditHead: AuditHead
  /** Empty until it is made. At most 4 KiB. */
  readonly opaqueSetup: Uint8Array
  /** Identity keys from before each succession, newest first, for what was encrypted to them. */
  readonly formerIdentities: readonly PrivateKey[]
  /** Succession statements, oldest first. */
  readonly chain: readonly Uint8Array[]
}

export interface FormerIdentity {
  readonly publicKeyBytes: Uint8Array
  readonly privateKey: PrivateKey
}

/** What can be changed of a keyring without another identity. */
export type KeyringChanges = Partial<Omit<OtherKeys, 'formerIdentities' | 'chain'>>

/**
 * The daemon's keys: identity (Themis EC), node (libp2p Ed25519), box (Ed25519 for NaCl formats), and those of {@link OtherKeys}. A
 * keyring does not change: what changes it makes another.
 *
 * Its public side is in plain fields; what is secret lies in a private field that `inspect` and `JSON.stringify` do not show.
 */
export class Keyring {
  readonly id: string
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly publicKey: PublicKey
  /** The Themis public key's container, 45 bytes. */
  readonly publicKeyBytes: Uint8Array
  /** SHA-256 of `publicKeyBytes`. */
  readonly fingerprint: Uint8Array
  /** Fingerprint of the lineage's first key. */
  readonly lineage: Uint8Array
  readonly nodeId: NodeId
  /** Ed25519 public key of `box`. */
  readonly boxKey: Uint8Array
  /** Succession statements, oldest first. */
  readonly chain: readonly Uint8Array[]
  readonly auditHead: AuditHead
  /** Of the store of this home. Shows nothing of its keys either. */
  readonly storeKeys: StoreKeys
  readonly #parts: IdentityParts & OtherKeys

  /** Use {@link createIdentity} or a keyring file. Takes its parts over. */
  constructor(parts: IdentityParts & OtherKeys) {
    this.id = parts.id
    this.createdAt = parts.createdAt
    this.publicKey = parts.identity.toPublicKey()
    this.publicKeyBytes = this.publicKey.toBytes()
    this.fingerprint = fingerprint(this.publicKey)
    this.lineage = parts.lineage
    this.nodeId = nodeIdOfPublicKey(ed25519PublicKey(parts.nodeSeed))
    this.boxKey = ed25519PublicKey(parts.boxSeed)
    this.chain = parts.chain
    this.auditHead = parts.auditHead
    this.storeKeys = parts.storeKeys
    this.#parts = parts
  }

  /** The Themis private key, for Secure Sessions. Shows nothing of itself either. */
  identityKey(): PrivateKey {
    return this.#parts.identity
  }

  /** Identity keys from before each succession, newest first. */
  formerIdentities(): readonly FormerIdentity[] {
    return this.#parts.formerIdentities.map(privateKey => ({
      publicKeyBytes: privateKey.toPublicKey().toBytes(),
      privateKey
    }))
  }

  /** A copy of the libp2p key's 32-byte seed, for the transport, which should wipe it. */
  nodeSeed(): Uint8Array {
    return this.#parts.nodeSeed.slice()
  }

  /** A copy of the 32-byte seed of the box key. */
  boxSeed(): Uint8Array {
    return this.#parts.boxSeed.slice()
  }

  /** A copy of the 32-byte key of the vault's Secure Cells. */
  vaultSealKey(): Uint8Array {
    return this.#parts.vaultSealKey.slice()
  }

  /** Copies of the vault's Fernet keys, 32 bytes each, newest first. */
  vaultFernetKeys(): readonly Uint8Array[] {
    return this.#parts.vaultFernetKeys.map(key => key.slice())
  }

  /** Copies of the Fernet keys of tokens, 32 bytes each, newest first. */
  tokenFernetKeys(): readonly Uint8Array[] {
    return this.#parts.tokenFernetKeys.map(key => key.slice())
  }

  /** Copies of the keys of TLS session tickets, 48 bytes each, newest first. */
  ticketKeys(): readonly Uint8Array[] {
    return this.#parts.ticketKeys.map(key => key.slice())
  }

  /** A copy of the 32-byte key of the audit chain. */
  auditKey(): Uint8Array {
    return this.#parts.auditKey.slice()
  }

  /** A copy of the server's set-up of OPAQUE; empty until it is made. */
  opaqueSetup(): Uint8Array {
    return this.#parts.opaqueSetup.slice()
  }

  /** Signs one of Parley's own statements with the Themis key: a Secure Message. `statement` starts `parley/<kind>/v1\0`. */
  signStatement(statement: Uint8Array): Uint8Array {
    return signMessage(this.#parts.identity, statement)
  }

  /** Signs a card's content with the libp2p key: an Ed25519 signature of 64 bytes. */
  signAsNode(content: Uint8Array): Uint8Array {
    return signEd25519(this.#parts.nodeSeed, content)
  }

  /** This keyring with other keys in it. Takes them over. */
  with(changes: KeyringChanges): Keyring {
    return new Keyring({ ...this.#parts, ...changes })
  }

  /**
   * This keyring with a new identity key, after the succession that `statement` tells of; the key until now becomes a former one.
   *
   * @param statement - at most 1 KiB, kept
   * @throws {DaemonError} `NOT_SUPPORTED` after 1,024 successions
   */
  succeededBy(identity: PrivateKey, statement: Uint8Array): Keyring {
    if (statement.length > STATEMENT_BYTES_MAX) throw new RangeError('a succession statement has at most 1 KiB')
    const { chain, formerIdentities } = this.#parts
    if (chain.length >= LIST_COUNT_MAX) {
      throw new DaemonError('NOT_SUPPORTED', `An identity can be succeeded ${LIST_COUNT_MAX} times.`)
    }
    return new Keyring({
      ...this.#parts,
      identity,
      formerIdentities: [this.#parts.identity, ...formerIdentities],
      chain: [...chain, statement]
    })
  }

  /** The content of a keyring file. Holds every key: the caller wipes it. */
  encode(): Uint8Array {
    const parts = this.#parts
    const { auditHead, formerIdentities } = parts
    const fields = [
      textBytes(parts.id),
      u64Bytes(parts.createdAt),
      parts.lineage,
      parts.identity.toBytes(),
      parts.nodeSeed,
      parts.boxSeed,
      parts.storeKeys.encode(),
      parts.vaultSealKey,
      listBytes(parts.vaultFernetKeys),
      listBytes(parts.tokenFernetKeys),
      listBytes(parts.ticketKeys),
      parts.auditKey,
      u64Bytes(auditHead.count),
      auditHead.head,
      parts.opaqueSetup,
      listBytes(formerIdentities.map(key => key.toBytes())),
      listBytes(parts.chain)
    ].map(lengthPrefixed)
    const encoded = joinBytes(...fields)
    for (const secret of fields) secret.fill(0)
    return encoded
  }

  toJSON(): Record<string, unknown> {
    return { id: this.id, nodeId: this.nodeId, fingerprint: hexOf(this.fingerprint), createdAt: this.createdAt }
  }

  [inspect.custom](): string {
    return `Keyring ${inspect(this.toJSON())}`
  }
}

/** Of a daemon whose audit log begins. */
export const NO_AUDIT: AuditHead = { count: 0, head: new Uint8Array(KEY_BYTES) }

export interface CreateIdentityOptions {
  /** Absent: `<user>@<host>-<5 base32 characters of the key's hash>`. */
  readonly id?: string
  readonly user: string
  readonly host: string
  /** Unix milliseconds. */
  readonly now: number
  readonly randomBytes: RandomBytes
}

/** Makes a new identity with fresh keys. @throws {DaemonError} `NAME_INVALID` */
export function createIdentity(options: CreateIdentityOptions): Keyring {
  const given = options.id === undefined ? undefined : parseName(options.id)
  const { privateKey, publicKey } = generateKeyPair(options.randomBytes)
  const lineage = fingerprint(publicKey)
  const suffix = base32.baseEncode(lineage).slice(0, ID_SUFFIX_LENGTH)
  return new Keyring({
    id: given ?? defaultId(options.user, options.host, suffix),
    createdAt: options.now,
    lineage,
    identity: privateKey,
    nodeSeed: options.randomBytes(ED25519_KEY_BYTES).slice(),
    boxSeed: options.randomBytes(ED25519_KEY_BYTES).slice(),
    ...createOtherKeys(options.randomBytes)
  })
}

/** Makes what a fresh keyring holds beside the identity; or, given `storeKeys`, one that had only those. */
export function createOtherKeys(
  randomBytes: RandomBytes,
  storeKeys: StoreKeys = createStoreKeys(randomBytes)
): OtherKeys {
  return {
    storeKeys,
    vaultSealKey: randomBytes(KEY_BYTES).slice(),
    vaultFernetKeys: [randomBytes(KEY_BYTES).slice()],
    tokenFernetKeys: [randomBytes(KEY_BYTES).slice()],
    ticketKeys: [randomBytes(TICKET_KEY_BYTES).slice()],
    auditKey: randomBytes(KEY_BYTES).slice(),
    auditHead: NO_AUDIT,
    opaqueSetup: new Uint8Array(0),
    formerIdentities: [],
    chain: []
  }
}

/**
 * Reads what {@link Keyring.encode} made: length-prefixed fields, in its order; a list is a field of length-prefixed items.
 *
 * @throws {DaemonError} `KEYRING_INVALID`
 */
export function decodeKeyring(content: Uint8Array): Keyring {
  const reader = new FieldReader(content, damagedKeyring)
  const identity = decodeIdentityParts(reader)
  const key = (): Uint8Array => reader.field(KEY_BYTES, KEY_BYTES)
  const list = (lengthBytesMin: number, lengthBytesMax = lengthBytesMin): Uint8Array[] =>
    readList(reader, lengthBytesMin, lengthBytesMax)
  const other: OtherKeys = {
    storeKeys: decodeStoreKeys(reader.field(1, STORE_KEYS_BYTES_MAX), damagedKeyring),
    vaultSealKey: key(),
    vaultFernetKeys: list(KEY_BYTES),
    tokenFernetKeys: list(KEY_BYTES),
    ticketKeys: list(TICKET_KEY_BYTES),
    auditKey: key(),
    auditHead: { count: reader.u64(), head: key() },
    opaqueSetup: reader.field(0, OPAQUE_SETUP_BYTES_MAX),
    formerIdentities: list(1, KEY_CONTAINER_BYTES_MAX).map(decodeIdentity),
    chain: list(1, STATEMENT_BYTES_MAX)
  }
  reader.end()
  if (other.chain.length !== other.formerIdentities.length) throw damagedKeyring()
  return new Keyring({ ...identity, ...other })
}

/** The first fields of a keyring, which were all that the first version had. @throws what `reader` throws; `KEYRING_INVALID` */
export function decodeIdentityParts(reader: FieldReader): IdentityParts {
  const id = reader.text(NAME_BYTES_MAX)
  const createdAt = reader.u64()
  const lineage = reader.field(KEY_BYTES, KEY_BYTES)
  const container = reader.field(1, KEY_CONTAINER_BYTES_MAX)
  const nodeSeed = reader.field(ED25519_KEY_BYTES, ED25519_KEY_BYTES)
  const boxSeed = reader.field(ED25519_KEY_BYTES, ED25519_KEY_BYTES)
  if (!isValidName(id)) throw damagedKeyring()
  return { id, createdAt, lineage, identity: decodeIdentity(container), nodeSeed, boxSeed }
}

function decodeIdentity(container: Uint8Array): PrivateKey {
  try {
    return decodePrivateKey(container)
  } catch (error) {
    if (error instanceof ProtocolError) throw damagedKeyring()
    throw error
  } finally {
    container.fill(0)
  }
}

function listBytes(items: readonly Uint8Array[]): Uint8Array {
  return joinBytes(...items.map(lengthPrefixed))
}

function readList(reader: FieldReader, lengthBytesMin: number, lengthBytesMax: number): Uint8Array[] {
  const items = new FieldReader(reader.field(0, LIST_COUNT_MAX * (4 + lengthBytesMax)), damagedKeyring)
  const list: Uint8Array[] = []
  while (!items.atEnd) {
    if (list.length === LIST_COUNT_MAX) throw damagedKeyring()
    list.push(items.field(lengthBytesMin, lengthBytesMax))
  }
  return list
}

/** What is said of a keyring that does not decode. */
export function damagedKeyring(): DaemonError {
  return new DaemonError('KEYRING_INVALID', 'The keyring file is damaged.')
}
