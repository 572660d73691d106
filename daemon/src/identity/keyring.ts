import { createHash } from 'node:crypto'
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
import type { NodeId } from '../transport/port.ts'
import { FieldReader, hexOf, joinBytes, lengthPrefixed, sameBytes, textBytes, u64Bytes } from './fields.ts'
import { defaultId, isValidName, NAME_BYTES_MAX, parseName } from './names.ts'
import { ED25519_KEY_BYTES, ed25519PublicKey, nodeIdOfPublicKey, signEd25519 } from './node-id.ts'

/** The first bytes of a keyring file. A later version with more keys has a label of its own. */
const KEYRING_LABEL = textBytes('parley/keyring/v1\0')
const DIGEST_BYTES = 32
const KEY_CONTAINER_BYTES_MAX = 79
const ID_SUFFIX_LENGTH = 5

/** What a keyring is made of. Taken over by the keyring, which alone may keep it. */
interface KeyringParts {
  readonly id: string
  readonly createdAt: number
  /** Fingerprint of the lineage's first Themis key, 32 bytes. */
  readonly lineage: Uint8Array
  readonly identity: PrivateKey
  readonly nodeSeed: Uint8Array
  readonly boxSeed: Uint8Array
}

/**
 * The daemon's keys: identity (Themis EC), node (libp2p Ed25519) and box (Ed25519 for NaCl formats), none derived from another.
 *
 * Its public side is in plain fields; the private keys lie in private fields that `inspect` and `JSON.stringify` do not show.
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
  readonly #identity: PrivateKey
  readonly #nodeSeed: Uint8Array
  readonly #boxSeed: Uint8Array

  /** Use {@link createIdentity} or `loadKeyring`. */
  constructor(parts: KeyringParts) {
    this.id = parts.id
    this.createdAt = parts.createdAt
    this.publicKey = parts.identity.toPublicKey()
    this.publicKeyBytes = this.publicKey.toBytes()
    this.fingerprint = fingerprint(this.publicKey)
    this.lineage = parts.lineage
    this.nodeId = nodeIdOfPublicKey(ed25519PublicKey(parts.nodeSeed))
    this.boxKey = ed25519PublicKey(parts.boxSeed)
    this.#identity = parts.identity
    this.#nodeSeed = parts.nodeSeed
    this.#boxSeed = parts.boxSeed
  }

  /** The Themis private key, for Secure Sessions. Shows nothing of itself either. */
  identityKey(): PrivateKey {
    return this.#identity
  }

  /** A copy of the libp2p key's 32-byte seed, for the transport, which should wipe it. */
  nodeSeed(): Uint8Array {
    return this.#nodeSeed.slice()
  }

  /** Signs one of Parley's own statements with the Themis key: a Secure Message. `statement` starts `parley/<kind>/v1\0`. */
  signStatement(statement: Uint8Array): Uint8Array {
    return signMessage(this.#identity, statement)
  }

  /** Signs a card's content with the libp2p key: an Ed25519 signature of 64 bytes. */
  signAsNode(content: Uint8Array): Uint8Array {
    return signEd25519(this.#nodeSeed, content)
  }

  /** The keyring as it lies in its file. Holds every private key: the caller wipes it. */
  encode(): Uint8Array {
    const identity = this.#identity.toBytes()
    const fields = [
      textBytes(this.id),
      u64Bytes(this.createdAt),
      this.lineage,
      identity,
      this.#nodeSeed,
      this.#boxSeed
    ].map(lengthPrefixed)
    const body = joinBytes(...fields)
    const encoded = joinBytes(KEYRING_LABEL, digestOf(body), body)
    for (const secret of [identity, body, ...fields]) secret.fill(0)
    return encoded
  }

  toJSON(): Record<string, unknown> {
    return { id: this.id, nodeId: this.nodeId, fingerprint: hexOf(this.fingerprint), createdAt: this.createdAt }
  }

  [inspect.custom](): string {
    return `Keyring ${inspect(this.toJSON())}`
  }
}

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
    boxSeed: options.randomBytes(ED25519_KEY_BYTES).slice()
  })
}

/**
 * Reads the bytes of a keyring file: label, SHA-256 of the rest, then length-prefixed ID, creation time (u64be), lineage, Themis
 * private key container, libp2p seed, box seed.
 *
 * @throws {DaemonError} `KEYRING_INVALID`
 */
export function decodeKeyring(bytes: Uint8Array): Keyring {
  const reader = new FieldReader(bytes, damaged)
  reader.expect(KEYRING_LABEL)
  const digest = reader.raw(DIGEST_BYTES)
  // A seed with one wrong bit is a seed too, of another node: only the digest tells.
  if (!sameBytes(digest, digestOf(bytes.subarray(KEYRING_LABEL.length + DIGEST_BYTES)))) throw damaged()
  const id = reader.text(NAME_BYTES_MAX)
  const createdAt = reader.u64()
  const lineage = reader.field(DIGEST_BYTES, DIGEST_BYTES)
  const container = reader.field(1, KEY_CONTAINER_BYTES_MAX)
  const nodeSeed = reader.field(ED25519_KEY_BYTES, ED25519_KEY_BYTES)
  const boxSeed = reader.field(ED25519_KEY_BYTES, ED25519_KEY_BYTES)
  reader.end()
  if (!isValidName(id)) throw damaged()
  const identity = decodeIdentity(container)
  return new Keyring({ id, createdAt, lineage, identity, nodeSeed, boxSeed })
}

function decodeIdentity(container: Uint8Array): PrivateKey {
  try {
    return decodePrivateKey(container)
  } catch (error) {
    if (error instanceof ProtocolError) throw damaged()
    throw error
  } finally {
    container.fill(0)
  }
}

function digestOf(body: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(body).digest())
}

function damaged(): DaemonError {
  return new DaemonError('KEYRING_INVALID', 'The keyring file is damaged or of an unknown version.')
}
