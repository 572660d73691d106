/**
 * Contact cards: how two daemons learn each other's keys and addresses.
 *
 * `lp(x)` is u32be length and x; integers are u64be, at most 2^53 - 1. A card is
 *
 *     lp(signed)          Secure Message (sign) of `content` by the Themis key, in its one canonical form
 *     lp(node signature)  Ed25519 signature (64) of `content` by the libp2p key
 *
 * and `content` is
 *
 *     "parley/card/v1\0"
 *     lp(ID)              1 to 64 bytes, by the rules of IDs
 *     lp(Themis key)      public key container, compressed point: 45 bytes for P-256, 61 for P-384, 79 for P-521
 *     lp(node ID)         38 bytes: identity multihash of the libp2p Ed25519 key
 *     lp(box key)         32 bytes: Ed25519 public key, for NaCl formats alone
 *     lp(addresses)       at most 8 of lp(address), canonical TCP multiaddrs as text, no address twice
 *     lp(lineage)         32 bytes: SHA-256 of the first Themis key container of the lineage
 *     lp(serial)          8 bytes, strictly growing in a lineage
 *     lp(time)            8 bytes: Unix milliseconds at which the card was made
 *     lp(next)            0 or 32 bytes: hash of a next key, reserved
 *
 * with nothing after it. As text a card is one line: `parley:card:` and base64url of it without padding.
 */
import { fingerprint, type PublicKey } from '@parley/protocol'
import { DaemonError } from '../errors.ts'
import type { NodeId } from '../transport/port.ts'
import { ADDRESS_LENGTH_MAX, dialableAddress } from './address.ts'
import { FieldReader, joinBytes, lengthPrefixed, sameBytes, textBytes, u64Bytes } from './fields.ts'
import type { Keyring } from './keyring.ts'
import { isValidName, NAME_BYTES_MAX } from './names.ts'
import {
  ED25519_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  NODE_ID_BYTES,
  nodeIdBytes,
  nodeIdOfBytes,
  publicKeyOfNodeId,
  verifyEd25519
} from './node-id.ts'
import { contentOf, isSignedBy, SIGNED_HEADER_BYTES, statedKey } from './signed.ts'

/** What every card's content starts with. */
export const CARD_LABEL: Uint8Array = textBytes('parley/card/v1\0')
export const CARD_PREFIX = 'parley:card:'
/** The longest card in bytes; as text it has at most 5,474 characters. */
export const CARD_BYTES_MAX = 4096
export const CARD_ADDRESS_COUNT_MAX = 8

const CARD_TEXT_LENGTH_MAX = CARD_PREFIX.length + Math.ceil((CARD_BYTES_MAX * 4) / 3)
// White space around a pasted card is forgiven, but not without bound.
const CARD_INPUT_LENGTH_MAX = 8192
const ADDRESSES_BYTES_MAX = CARD_ADDRESS_COUNT_MAX * (4 + ADDRESS_LENGTH_MAX)
const KEY_BYTES_MIN = 45
const KEY_BYTES_MAX = 79
const DIGEST_BYTES = 32

/** A card whose two signatures hold. Byte arrays are the card's own: readers do not change them. */
export interface Card {
  readonly id: string
  readonly publicKey: PublicKey
  /** The Themis public key's container, 45 bytes for P-256. */
  readonly publicKeyBytes: Uint8Array
  /** SHA-256 of `publicKeyBytes`. */
  readonly fingerprint: Uint8Array
  readonly nodeId: NodeId
  readonly boxKey: Uint8Array
  /** Canonical TCP multiaddrs, without `/p2p/`. */
  readonly addresses: readonly string[]
  /** Fingerprint of the lineage's first key. */
  readonly lineage: Uint8Array
  readonly serial: number
  /** Unix milliseconds, by the clock of the card's owner. */
  readonly time: number
  readonly next: Uint8Array | undefined
  /** What both keys signed. Cards are compared by this: an ECDSA signature can be respelled by anyone. */
  readonly content: Uint8Array
  /** The whole card, as stored and as sent in a session. */
  readonly bytes: Uint8Array
}

/** What changes from card to card of one identity. */
export interface CardDetails {
  /** At most 8 canonical TCP multiaddrs that can be dialled. */
  readonly addresses: readonly string[]
  readonly serial: number
  readonly time: number
}

/** Makes and signs a card with both keys of `keyring`. @throws {DaemonError} `ADDRESS_INVALID` */
export function makeCard(keyring: Keyring, details: CardDetails): Card {
  assertAddresses(details.addresses)
  const content = joinBytes(
    CARD_LABEL,
    lengthPrefixed(textBytes(keyring.id)),
    lengthPrefixed(keyring.publicKeyBytes),
    lengthPrefixed(nodeIdBytes(keyring.nodeId)),
    lengthPrefixed(keyring.boxKey),
    lengthPrefixed(joinBytes(...details.addresses.map(address => lengthPrefixed(textBytes(address))))),
    lengthPrefixed(keyring.lineage),
    lengthPrefixed(u64Bytes(details.serial)),
    lengthPrefixed(u64Bytes(details.time)),
    lengthPrefixed(new Uint8Array(0))
  )
  return decodeCard(
    joinBytes(lengthPrefixed(keyring.signStatement(content)), lengthPrefixed(keyring.signAsNode(content)))
  )
}

/** The card as one line of text. */
export function formatCard(card: Card): string {
  return CARD_PREFIX + Buffer.from(card.bytes).toString('base64url')
}

/**
 * Reads a card as pasted: white space around it is ignored, everything else must be exact.
 *
 * @throws {DaemonError} `CARD_INVALID`, without a word about what is wrong
 */
export function parseCard(text: string): Card {
  if (text.length > CARD_INPUT_LENGTH_MAX) throw invalid()
  const line = text.trim()
  if (line.length > CARD_TEXT_LENGTH_MAX || !line.startsWith(CARD_PREFIX)) throw invalid()
  const encoded = line.slice(CARD_PREFIX.length)
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64url'))
  // Node skips what is not base64url: only the one spelling of these bytes is a card.
  if (Buffer.from(bytes).toString('base64url') !== encoded) throw invalid()
  return decodeCard(bytes)
}

/**
 * Reads a card and checks both signatures, that the node ID is the key that signed, and every field's form.
 *
 * @param bytes - copied
 * @throws {DaemonError} `CARD_INVALID`, without a word about what is wrong
 */
export function decodeCard(bytes: Uint8Array): Card {
  if (bytes.length > CARD_BYTES_MAX) throw invalid()
  const own = new Uint8Array(bytes)
  const reader = new FieldReader(own, invalid)
  const signed = reader.field(SIGNED_HEADER_BYTES, CARD_BYTES_MAX)
  const nodeSignature = reader.field(ED25519_SIGNATURE_BYTES, ED25519_SIGNATURE_BYTES)
  reader.end()
  const content = contentOf(signed, invalid)
  const fields = decodeContent(content)
  if (!isSignedBy(fields.publicKey, signed)) throw invalid()
  if (!verifyEd25519(publicKeyOfNodeId(fields.nodeId), content, nodeSignature)) throw invalid()
  return { ...fields, content, bytes: own }
}

function decodeContent(content: Uint8Array): Omit<Card, 'content' | 'bytes'> {
  const reader = new FieldReader(content, invalid)
  reader.expect(CARD_LABEL)
  const id = reader.text(NAME_BYTES_MAX)
  const publicKeyBytes = reader.field(KEY_BYTES_MIN, KEY_BYTES_MAX)
  const nodeId = nodeIdOfBytes(reader.field(NODE_ID_BYTES, NODE_ID_BYTES))
  const boxKey = reader.field(ED25519_KEY_BYTES, ED25519_KEY_BYTES)
  const addresses = decodeAddresses(reader.field(0, ADDRESSES_BYTES_MAX))
  const lineage = reader.field(DIGEST_BYTES, DIGEST_BYTES)
  const serial = reader.u64()
  const time = reader.u64()
  const next = reader.field(0, DIGEST_BYTES)
  reader.end()
  if (!isValidName(id) || nodeId === undefined || (next.length !== 0 && next.length !== DIGEST_BYTES)) throw invalid()
  const publicKey = statedKey(publicKeyBytes, invalid)
  return {
    id,
    publicKey,
    publicKeyBytes,
    fingerprint: fingerprint(publicKey),
    nodeId,
    boxKey,
    addresses,
    lineage,
    serial,
    time,
    next: next.length === 0 ? undefined : next
  }
}

function decodeAddresses(bytes: Uint8Array): readonly string[] {
  const addresses: string[] = []
  const reader = new FieldReader(bytes, invalid)
  while (!reader.atEnd) {
    const address = reader.text(ADDRESS_LENGTH_MAX)
    if (addresses.length === CARD_ADDRESS_COUNT_MAX || addresses.includes(address)) throw invalid()
    if (dialableAddress(address) !== address) throw invalid()
    addresses.push(address)
  }
  return addresses
}

function assertAddresses(addresses: readonly string[]): void {
  if (addresses.length > CARD_ADDRESS_COUNT_MAX) {
    throw new DaemonError('ADDRESS_INVALID', `A card has at most ${CARD_ADDRESS_COUNT_MAX} addresses.`)
  }
  for (const [position, address] of addresses.entries()) {
    if (dialableAddress(address) !== address || addresses.indexOf(address) !== position) {
      throw new DaemonError('ADDRESS_INVALID', `Not an address that a card can list: ${address}`)
    }
  }
}

/** Whether two cards say the same, whatever their signatures' spelling. */
export function isSameCard(a: Card, b: Card): boolean {
  return sameBytes(a.content, b.content)
}

function invalid(): DaemonError {
  return new DaemonError('CARD_INVALID', 'The card is damaged, or its signatures do not hold.')
}
