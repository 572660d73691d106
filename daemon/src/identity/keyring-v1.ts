import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DaemonError } from '../errors.ts'
import { type PrivateFileCodes, readPrivateFile } from '../private-file.ts'
import { decodeStoreKeys, type StoreKeys } from '../store/store-keys.ts'
import { FieldReader, sameBytes, textBytes } from './fields.ts'
import { damagedKeyring, decodeIdentityParts, type IdentityParts } from './keyring.ts'

const KEYRING_LABEL = textBytes('parley/keyring/v1\0')
const STORE_KEYS_LABEL = textBytes('parley/store-keys/v1\0')
const DIGEST_BYTES = 32
const STORE_KEYS_CODES: PrivateFileCodes = {
  kind: 'a file of store keys',
  missing: 'STORE_KEYS_MISSING',
  invalid: 'STORE_KEYS_INVALID',
  exists: 'ALREADY_INITIALIZED'
}

/** What a keyring of the first version holds: the identity, not sealed. */
export interface KeyringV1 {
  readonly identity: IdentityParts
}

/** Where the keys of the store lay beside a keyring of the first version. */
export function storeKeysPath(stateDir: string): string {
  return join(stateDir, 'store-keys')
}

export function isKeyringV1(bytes: Uint8Array): boolean {
  return sameBytes(bytes.subarray(0, KEYRING_LABEL.length), KEYRING_LABEL)
}

/**
 * Reads a keyring of the first version: label, SHA-256 of the rest, then length-prefixed ID, creation time (u64be), lineage, Themis
 * private key container, libp2p seed, box seed.
 *
 * @param bytes - wiped
 * @throws {DaemonError} `KEYRING_INVALID`
 */
export function decodeKeyringV1(bytes: Uint8Array): KeyringV1 {
  try {
    const reader = labelled(bytes, KEYRING_LABEL, damagedKeyring)
    const identity = decodeIdentityParts(reader)
    reader.end()
    return { identity }
  } finally {
    bytes.fill(0)
  }
}

/**
 * Reads the file of store keys of the first version: label, SHA-256 of the rest, and what `StoreKeys.encode` makes.
 *
 * @throws {DaemonError} `STORE_KEYS_MISSING`; `KEYRING_MODE` others may read or write it, with the command that mends it;
 * `STORE_KEYS_INVALID` damaged or unreadable
 */
export async function readStoreKeysV1(stateDir: string): Promise<StoreKeys> {
  const bytes = await readPrivateFile(storeKeysPath(stateDir), STORE_KEYS_CODES)
  try {
    labelled(bytes, STORE_KEYS_LABEL, damagedStoreKeys)
    return decodeStoreKeys(bytes.subarray(STORE_KEYS_LABEL.length + DIGEST_BYTES), damagedStoreKeys)
  } finally {
    bytes.fill(0)
  }
}

/** A reader behind label and digest. A key with one wrong bit is a key too: only the digest tells. */
function labelled(bytes: Uint8Array, label: Uint8Array, malformed: () => Error): FieldReader {
  const reader = new FieldReader(bytes, malformed)
  reader.expect(label)
  const digest = reader.raw(DIGEST_BYTES)
  const body = bytes.subarray(label.length + DIGEST_BYTES)
  if (!sameBytes(digest, createHash('sha256').update(body).digest())) throw malformed()
  return reader
}

function damagedStoreKeys(): DaemonError {
  return new DaemonError('STORE_KEYS_INVALID', "The file of the store's keys is damaged or of an unknown version.")
}
