import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import { decryptSeal, encryptSeal, ProtocolError } from '@parley/protocol'
import { FieldReader, joinBytes, lengthPrefixed, u64Bytes } from '../identity/fields.ts'
import type { RandomBytes } from '../random.ts'

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
 * The keys of a store, a part of the keyring: numbered keys of 32 bytes, of which the newest seals and each opens, and one for keyed
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

  /** These keys and a new newest one, which seals from now on. @throws {RangeError} for more than 64 keys */
  withNewKey(randomBytes: RandomBytes): StoreKeys {
    if (this.#keys.size === KEY_COUNT_MAX || this.newest === KEY_NUMBER_MAX) throw new RangeError('too many store keys')
    const keys = new Map([...this.#keys, [this.newest + 1, randomBytes(KEY_BYTES).slice()]])
    return new StoreKeys({ storeId: this.storeId, indexKey: this.#indexKey, keys })
  }

  /** The newest key alone: what others sealed opens no more. */
  withoutOldKeys(): StoreKeys {
    const keys = new Map([[this.newest, this.#newestKey]])
    return new StoreKeys({ storeId: this.storeId, indexKey: this.#indexKey, keys })
  }

  /** How many keys there are: more than one until everything is sealed with the newest. */
  get count(): number {
    return this.#keys.size
  }

  /** The keys as they lie in a keyring. Holds every one of them: the caller wipes it. */
  encode(): Uint8Array {
    const fields = [
      this.storeId.slice(),
      this.#indexKey,
      ...[...this.#keys].flatMap(([number, key]) => [u64Bytes(number), key])
    ].map(lengthPrefixed)
    const encoded = joinBytes(...fields)
    for (const secret of fields) secret.fill(0)
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
 * Reads what {@link StoreKeys.encode} made: length-prefixed store ID, index key and, for each key in the order of their numbers, its
 * number (u64be) and its 32 bytes.
 *
 * @param malformed - makes the error for everything else
 */
export function decodeStoreKeys(bytes: Uint8Array, malformed: () => Error): StoreKeys {
  const reader = new FieldReader(bytes, malformed)
  const storeId = reader.field(STORE_ID_BYTES, STORE_ID_BYTES)
  const indexKey = reader.field(KEY_BYTES, KEY_BYTES)
  const keys = new Map<number, Uint8Array>()
  let last = 0
  while (!reader.atEnd) {
    const number = reader.u64()
    if (number <= last || number > KEY_NUMBER_MAX || keys.size === KEY_COUNT_MAX) throw malformed()
    keys.set(number, reader.field(KEY_BYTES, KEY_BYTES))
    last = number
  }
  if (keys.size === 0) throw malformed()
  return new StoreKeys({ storeId, indexKey, keys })
}
