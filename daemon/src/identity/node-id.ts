import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import type { NodeId } from '../transport/port.ts'
import { joinBytes, sameBytes } from './fields.ts'

/** Bytes of an Ed25519 seed, and of an Ed25519 public key. */
export const ED25519_KEY_BYTES = 32
export const ED25519_SIGNATURE_BYTES = 64

/** Bytes of a node ID as a multihash. */
export const NODE_ID_BYTES = 38

// Identity multihash (code 0x00) of 36 bytes: libp2p's protobuf public key, type 1 (Ed25519), data of 32 bytes.
const NODE_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

// RFC 8410: the fixed DER before the 32 bytes of a private and of a public Ed25519 key.
const PKCS8_PREFIX = Uint8Array.of(
  ...[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]
)
const SPKI_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

/**
 * The node ID of an Ed25519 public key: base58btc of the identity multihash of libp2p's protobuf key, `12D3KooW…`.
 *
 * @see libp2p specs, peer-ids/peer-ids.md
 */
export function nodeIdOfPublicKey(publicKey: Uint8Array): NodeId {
  assertKeyLength(publicKey)
  return base58btc.baseEncode(joinBytes(NODE_ID_PREFIX, publicKey)) as NodeId
}

/** The node ID as its 38 multihash bytes. `nodeId` is one that this program made or checked. */
export function nodeIdBytes(nodeId: NodeId): Uint8Array {
  return base58btc.baseDecode(nodeId)
}

/** The node ID of 38 multihash bytes, or undefined where they are not that of an Ed25519 key. */
export function nodeIdOfBytes(multihash: Uint8Array): NodeId | undefined {
  if (multihash.length !== NODE_ID_BYTES) return undefined
  if (!sameBytes(multihash.subarray(0, NODE_ID_PREFIX.length), NODE_ID_PREFIX)) return undefined
  return base58btc.baseEncode(multihash) as NodeId
}

/** The Ed25519 public key in a node ID, 32 bytes. */
export function publicKeyOfNodeId(nodeId: NodeId): Uint8Array {
  return nodeIdBytes(nodeId).slice(NODE_ID_PREFIX.length)
}

/** The Ed25519 public key of a 32-byte seed. */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(importSeed(seed)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(SPKI_PREFIX.length))
}

/** Signs with Ed25519 (RFC 8032, pure). The same message gives the same 64 bytes. */
export function signEd25519(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, importSeed(seed)))
}

/** Checks an Ed25519 signature. Any bytes of the wrong length or off the curve are simply false. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== ED25519_KEY_BYTES || signature.length !== ED25519_SIGNATURE_BYTES) return false
  const key = createPublicKey({ key: joinBytes(SPKI_PREFIX, publicKey) as Buffer, format: 'der', type: 'spki' })
  return verify(null, message, key, signature)
}

function importSeed(seed: Uint8Array): KeyObject {
  assertKeyLength(seed)
  const der = joinBytes(PKCS8_PREFIX, seed)
  const key = createPrivateKey({ key: der as Buffer, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

function assertKeyLength(key: Uint8Array): void {
  if (key.length !== ED25519_KEY_BYTES) throw new RangeError('an Ed25519 key has 32 bytes')
}
