import { DaemonError } from '../errors.ts'
import { joinBytes, lengthPrefixed, sameBytes, textBytes } from '../identity/fields.ts'
import type { RandomBytes } from '../random.ts'
import type { Store, Sublevel } from './port.ts'
import type { Sealer } from './sealer.ts'
import { StoreKeys } from './store-keys.ts'

export interface SealerDeps {
  /** Open. */
  readonly store: Store
  /** The store's keys as they are now. Their store ID and index key never change. */
  readonly keys: StoreKeys | (() => StoreKeys)
  readonly randomBytes: RandomBytes
}

const CONTEXT_LABEL = textBytes('parley/store/v1\0')
export const STORE_ID_KEY: Uint8Array = textBytes('store-id')
/** The records of `meta` that are not sealed, since they come before the keys: they say nothing of anyone. */
const PLAIN_KEYS: readonly Uint8Array[] = [STORE_ID_KEY, ...['schema', 'probe'].map(textBytes)]
const KEY_NUMBER_BYTES = 4
const HIDDEN_NAME_BYTES = 16

/** Whether records of this store may be sealed: it has the ID that they are bound to. */
export function isSealed(store: Store): boolean {
  return store.get('meta', STORE_ID_KEY) !== undefined
}

/**
 * The sealer of an open store. Its values are the number of the store key (u32be) and a Secure Cell (Seal) whose context is
 * `"parley/store/v1\0" ‖ storeId(16) ‖ lp(sublevel) ‖ lp(key)`: none can be moved to another place or another store. The first call
 * marks the store, synced, as the one of these keys.
 *
 * @throws {DaemonError} `STORE_KEYS_INVALID` the keys are of another store; `STORE_UNAVAILABLE`
 */
export async function openSealer({ store, keys, randomBytes }: SealerDeps): Promise<Sealer> {
  const keysNow = keys instanceof StoreKeys ? () => keys : keys
  const { storeId } = keysNow()
  const stored = store.get('meta', STORE_ID_KEY)
  if (stored === undefined) {
    await store.batch([{ type: 'put', sublevel: 'meta', key: STORE_ID_KEY, value: storeId }], { sync: true })
  } else if (!sameBytes(stored, storeId)) {
    throw new DaemonError('STORE_KEYS_INVALID', 'The store keys are those of another store.')
  }
  return sealerFollowing(keysNow, randomBytes)
}

/** Whether the record lies there as it is: the store's ID, its schema version, and the random bytes of a probe. */
export function isPlainRecord(sublevel: Sublevel, key: Uint8Array): boolean {
  return sublevel === 'meta' && PLAIN_KEYS.some(plain => sameBytes(plain, key))
}

/** The sealer of the store that has these keys. */
export function sealerOf(keys: StoreKeys, randomBytes: RandomBytes): Sealer {
  return sealerFollowing(() => keys, randomBytes)
}

/** The number of the store key that a value was sealed with. */
export function keyNumberOf(sealed: Uint8Array): number {
  return new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
}

/**
 * The sealer of a store whose keys change: it seals with the newest key that there is at that moment.
 *
 * What was read before the last change of the keys opens still, though its key is gone from the disk: a reader holds what it read.
 */
export function sealerFollowing(keysNow: () => StoreKeys, randomBytes: RandomBytes): Sealer {
  let keys = keysNow()
  let before = keys
  const follow = (): StoreKeys => {
    const now = keysNow()
    if (now !== keys) [before, keys] = [keys, now]
    return keys
  }
  const place = joinBytes(CONTEXT_LABEL, keys.storeId)
  const places = new Map<Sublevel, Uint8Array>()
  const placeOf = (sublevel: Sublevel): Uint8Array => {
    const known = places.get(sublevel)
    if (known !== undefined) return known
    const made = joinBytes(place, lengthPrefixed(textBytes(sublevel)))
    places.set(sublevel, made)
    return made
  }
  const contextOf = (sublevel: Sublevel, key: Uint8Array): Uint8Array =>
    joinBytes(placeOf(sublevel), lengthPrefixed(key))
  return {
    seal(sublevel, key, plaintext) {
      const { newest } = follow()
      const cell = keys.seal(plaintext, randomBytes, contextOf(sublevel, key))
      const sealed = new Uint8Array(KEY_NUMBER_BYTES + cell.length)
      new DataView(sealed.buffer).setUint32(0, newest)
      sealed.set(cell, KEY_NUMBER_BYTES)
      return sealed
    },
    open(sublevel, key, sealed) {
      if (sealed.length <= KEY_NUMBER_BYTES) throw damaged(sublevel)
      const now = follow()
      const number = keyNumberOf(sealed)
      const cell = sealed.subarray(KEY_NUMBER_BYTES)
      const context = contextOf(sublevel, key)
      const opened = now.open(number, cell, context) ?? before.open(number, cell, context)
      if (opened === undefined) throw damaged(sublevel)
      return opened
    },
    hiddenName(...parts) {
      const fields = parts.map(part => lengthPrefixed(typeof part === 'string' ? textBytes(part) : part))
      return keys.keyedHash(joinBytes(...fields)).slice(0, HIDDEN_NAME_BYTES)
    }
  }
}

function damaged(sublevel: Sublevel): DaemonError {
  return new DaemonError('RECORD_DAMAGED', `a record in ${sublevel} does not open`, { data: { sublevel } })
}
