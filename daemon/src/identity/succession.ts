/**
 * Succession statements: how the Themis key of an identity gives way to another.
 *
 * A statement is
 *
 *     lp(signed)      Secure Message (sign) of `content` by the old key, in its one canonical form
 *     lp(signature)   the new key's signature of the same `content`, as it stands at the end of a Secure Message
 *
 * and `content` is
 *
 *     "parley/succession/v1\0"
 *     lp(lineage)     32 bytes: SHA-256 of the first key's container
 *     lp(serial)      8 bytes: 1 for the successor of the first key, then the parent's and one
 *     lp(parent)      32 bytes: SHA-256 of the parent's content; zeros where there is none
 *     lp(old key)     public key container, compressed point
 *     lp(new key)     the same
 *     lp(time)        8 bytes: Unix milliseconds
 *
 * with nothing after it. Statements are compared by their content: an ECDSA signature can be respelled by anyone.
 */
import { createHash } from 'node:crypto'
import { decodePublicKey, fingerprint, type PrivateKey, type PublicKey, signMessage } from '@parley/protocol'
import { DaemonError } from '../errors.ts'
import { FieldReader, joinBytes, lengthPrefixed, sameBytes, textBytes, u64Bytes } from './fields.ts'
import { type Keyring, STATEMENT_BYTES_MAX } from './keyring.ts'
import { contentOf, isSignedBy, SIGNED_HEADER_BYTES, statedKey, withSignature } from './signed.ts'

const LABEL = textBytes('parley/succession/v1\0')
const DIGEST_BYTES = 32
const KEY_BYTES_MIN = 45
const KEY_BYTES_MAX = 79
const SIGNATURE_BYTES_MAX = 160
const NO_PARENT = new Uint8Array(DIGEST_BYTES)

/** A statement both of whose signatures hold, unless it was read as one that was checked before. */
export interface Succession {
  readonly lineage: Uint8Array
  readonly serial: number
  /** {@link successionHash} of the parent; zeros for the first. */
  readonly parent: Uint8Array
  readonly oldKeyBytes: Uint8Array
  readonly newKeyBytes: Uint8Array
  readonly newKey: PublicKey
  /** SHA-256 of the containers. */
  readonly oldFingerprint: Uint8Array
  readonly newFingerprint: Uint8Array
  /** Unix milliseconds, by the clock of whoever made it. */
  readonly time: number
  readonly content: Uint8Array
  /** The whole statement. */
  readonly bytes: Uint8Array
}

/** Makes the statement by which `next` follows the identity key of `keyring`. @returns at most 1 KiB */
export function makeSuccession(keyring: Keyring, next: PrivateKey, time: number): Uint8Array {
  const last = keyring.chain.at(-1)
  const parent = last === undefined ? NO_PARENT : successionHash(readSuccession(last))
  const content = joinBytes(
    LABEL,
    lengthPrefixed(keyring.lineage),
    lengthPrefixed(u64Bytes(keyring.chain.length + 1)),
    lengthPrefixed(parent),
    lengthPrefixed(keyring.publicKeyBytes),
    lengthPrefixed(next.toPublicKey().toBytes()),
    lengthPrefixed(u64Bytes(time))
  )
  const signedByNew = signMessage(next, content)
  return joinBytes(
    lengthPrefixed(keyring.signStatement(content)),
    lengthPrefixed(signedByNew.slice(SIGNED_HEADER_BYTES + content.length))
  )
}

/** What a child names as its parent: SHA-256 of the content. */
export function successionHash({ content }: Pick<Succession, 'content'>): Uint8Array {
  return new Uint8Array(createHash('sha256').update(content).digest())
}

/**
 * Reads a statement, and checks its form and both signatures.
 *
 * @throws {DaemonError} `CHAIN_FOREIGN`
 */
export function decodeSuccession(bytes: Uint8Array): Succession {
  const { statement, signed, signature } = read(bytes)
  const oldKey = statedKey(statement.oldKeyBytes, foreign)
  const countersigned = withSignature(statement.content, signature)
  if (!isSignedBy(oldKey, signed) || !isSignedBy(statement.newKey, countersigned)) throw foreign()
  return statement
}

/** Reads a statement of whose signatures this program has convinced itself before. @throws {DaemonError} `CHAIN_FOREIGN` */
export function readSuccession(bytes: Uint8Array): Succession {
  return read(bytes).statement
}

function read(bytes: Uint8Array): { statement: Succession; signed: Uint8Array; signature: Uint8Array } {
  if (bytes.length > STATEMENT_BYTES_MAX) throw foreign()
  const own = new Uint8Array(bytes)
  const outer = new FieldReader(own, foreign)
  const signed = outer.field(SIGNED_HEADER_BYTES, STATEMENT_BYTES_MAX)
  const signature = outer.field(1, SIGNATURE_BYTES_MAX)
  outer.end()
  const content = contentOf(signed, foreign)
  const reader = new FieldReader(content, foreign)
  reader.expect(LABEL)
  const lineage = reader.field(DIGEST_BYTES, DIGEST_BYTES)
  const serial = reader.u64()
  const parent = reader.field(DIGEST_BYTES, DIGEST_BYTES)
  const oldKeyBytes = reader.field(KEY_BYTES_MIN, KEY_BYTES_MAX)
  const newKeyBytes = reader.field(KEY_BYTES_MIN, KEY_BYTES_MAX)
  const time = reader.u64()
  reader.end()
  const newKey = statedKey(newKeyBytes, foreign)
  const oldFingerprint = fingerprint(statedKey(oldKeyBytes, foreign))
  const newFingerprint = fingerprint(newKey)
  // The first of a lineage follows the key that names the lineage; every other follows a statement.
  const isFirst = sameBytes(oldFingerprint, lineage)
  if (serial < 1 || isFirst !== (serial === 1) || sameBytes(parent, NO_PARENT) !== isFirst) throw foreign()
  if (sameBytes(oldKeyBytes, newKeyBytes)) throw foreign()
  const statement = {
    ...{ lineage, serial, parent, oldKeyBytes, newKeyBytes, newKey, oldFingerprint, newFingerprint },
    ...{ time, content, bytes: own }
  }
  return { statement, signed, signature }
}

/** The key of a container that was read before. @throws {DaemonError} `RECORD_DAMAGED` */
export function keptKey(container: Uint8Array): PublicKey {
  try {
    return decodePublicKey(container)
  } catch (cause) {
    throw new DaemonError('RECORD_DAMAGED', 'A key in the store does not decode.', {
      cause,
      data: { sublevel: 'peers' }
    })
  }
}

function foreign(): DaemonError {
  return new DaemonError('CHAIN_FOREIGN', 'A succession statement is damaged, or its signatures do not hold.')
}
