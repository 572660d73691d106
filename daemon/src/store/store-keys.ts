import { createHash, createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import { decryptSeal, encryptSeal, ProtocolError } from '@parley/protocol'
import { DaemonError } from '../errors.ts'
import { FieldReader, joinBytes, lengthPrefixed, sameBytes, textBytes, u64Bytes } from '../identity/fields.ts'
import type { RandomBytes } from '../random.ts'

/** The first bytes of a file of store keys. */
const LABEL = textBytes('parley/store-keys/v1\0')
const DIGEST_BYTES = 32
const KEY_BYTES = 32
const STORE_ID_BYTES = 16
/** The most keys at a time: a key leaves once nothing is sealed with it. */
const KEY_COUNT_MAX = 64
const KEY_NUMBER_MAX = 0xffff_ffff

interface StoreKeyParts {
  readonly storeId: Uint8Array
  readonly indexKey: Uint8Array
  /** At least one, by number. */
  readonly keys: ReadonlyMap<number, Uint8Array>
}

/**
 * The keys of a store, apart from the keyring: numbered keys of 32 bytes, of which the newest seals and each opens, and one for keyed
 * hashes. They lie in private fields, leave by {@link StoreKeys.encode} alone, and `inspect` and `JSON.stringify` show none of them.
 */
export class StoreKeys {
  /** 16 random bytes that name the store. Kept here too, since without them nothing of a damaged store would open. */
  readonly storeId: Uint8Array
  /** The number of the key that seals. */
  readonly newest: number
  readonly #keys: ReadonlyMap<number, Uint8Array>
  readonly #newestKey: Uint8Array
  readonly #indexKey: Uint8Array

  /** Use {@link createStoreKeys} or {@link decodeStoreKeys}. Takes its parts over. */
  constructor({ storeId, indexKey, keys }: StoreKeyParts) {
    const newest = Math.max(...keys.keys())
    const newestKey = keys.get(newest)
    if (newestKey === undefined) throw new RangeError('a store has at least one key')
    this.storeId = storeId
    this.newest = newest
    this.#keys = keys
    this.#newestKey = newestKey
    this.#indexKey = indexKey
  }

  /** A Secure Cell (Seal) under the newest key, 44 bytes longer than `plaintext`, of one byte or more. */
  seal(plaintext: Uint8Array, randomBytes: RandomBytes, context: Uint8Array): Uint8Array {
    return encryptSeal(this.#newestKey, plaintext, randomBytes, context)
  }

  /** What was sealed under the key of that number; undefined where there is no such key, or the cell does not open. */
  open(number: number, cell: Uint8Array, context: Uint8Array): Uint8Array | undefined {
    const key = this.#keys.get(number)
    if (key === undefined) return undefined
    try {
      return decryptSeal(key, cell, context)
    } catch (error) {
      if (error instanceof ProtocolError) return undefined
      throw error
    }
  }

  /** HMAC-SHA256 of `bytes` under the index key: 32 bytes. */
  keyedHash(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac('sha256', this.#indexKey).update(bytes).digest())
  }

  /** The keys as they lie in their file. Holds every one of them: the caller wipes it. */
  encode(): Uint8Array {
    const fields = [
      this.storeId.slice(),
      this.#indexKey,
      ...[...this.#keys].flatMap(([number, key]) => [u64Bytes(number), key])
    ]
    const prefixed = fields.map(lengthPrefixed)
    const body = joinBytes(...prefixed)
    const encoded = joinBytes(LABEL, digestOf(body), body)
    for (const secret of [body, ...prefixed]) secret.fill(0)
    return encoded
  }

  toJSON(): Record<string, unknown> {
    return { newest: this.newest, count: this.#keys.size }
  }

  [inspect.custom](): string {
    return `StoreKeys ${inspect(this.toJSON())}`
  }
}

/** Makes the ID and the keys of a new store, key number 1 and the index key, with nothing of the identity's in them. */
export function createStoreKeys(randomBytes: RandomBytes): StoreKeys {
  return new StoreKeys({
    storeId: randomBytes(STORE_ID_BYTES).slice(),
    indexKey: randomBytes(KEY_BYTES).slice(),
    keys: new Map([[1, randomBytes(KEY_BYTES).slice()]])
  })
}

/**
 * Reads the bytes of a file of store keys: label, SHA-256 of the rest, then length-prefixed store ID, index key and, for each key in the order of
 * their numbers, its number (u64be) and its 32 bytes.
 *
 * @throws {DaemonError} `STORE_KEYS_INVALID`
 */
export function decodeStoreKeys(bytes: Uint8Array): StoreKeys {
  const reader = new FieldReader(bytes, damaged)
  reader.expect(LABEL)
  const digest = reader.raw(DIGEST_BYTES)
  // A key with one wrong bit is a key too, that opens nothing: only the digest tells.
  if (!sameBytes(digest, digestOf(bytes.subarray(LABEL.length + DIGEST_BYTES)))) throw damaged()
  const storeId = reader.field(STORE_ID_BYTES, STORE_ID_BYTES)
  const indexKey = reader.field(KEY_BYTES, KEY_BYTES)
  const keys = new Map<number, Uint8Array>()
  let last = 0
  while (!reader.atEnd) {
    const number = reader.u64()
    if (number <= last || number > KEY_NUMBER_MAX || keys.size === KEY_COUNT_MAX) throw damaged()
    keys.set(number, reader.field(KEY_BYTES, KEY_BYTES))
    last = number
  }
  if (keys.size === 0) throw damaged()
  return new StoreKeys({ storeId, indexKey, keys })
}

function digestOf(body: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(body).digest())
}

function damaged(): DaemonError {
  return new DaemonError('STORE_KEYS_INVALID', "The file of the store's keys is damaged or of an unknown version.")
}
