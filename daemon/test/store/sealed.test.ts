import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import { decryptSeal } from '@parley/protocol'
import { beforeEach, describe, expect, it } from 'vitest'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import { isSealed, keyNumberOf, openSealer, sealerFollowing, sealerOf } from '../../src/store/sealed.ts'
import type { Sealer } from '../../src/store/sealer.ts'
import { createStoreKeys, decodeStoreKeys, StoreKeys } from '../../src/store/store-keys.ts'
import { bytes } from './contract.ts'

const randomBytes = seededRandomBytes('sealed')
const damagedIn = (sublevel: string) => expect.objectContaining({ code: 'RECORD_DAMAGED', data: { sublevel } })
const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const u32 = (value: number) => bytes(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)
const lp = (field: Uint8Array) => concat(u32(field.length), field)

describe('a sealer', () => {
  let disk: MemoryDisk
  let store: MemoryStore
  let keys: StoreKeys
  let sealer: Sealer

  beforeEach(async () => {
    disk = new MemoryDisk()
    store = new MemoryStore(disk)
    await store.open()
    keys = createStoreKeys(randomBytes)
    sealer = await openSealer({ store, keys, randomBytes })
  })

  it('opens what it sealed for that place, a different cell each time', () => {
    const [first, second] = [1, 2].map(() => sealer.seal('outbox', bytes('k'), bytes('a secret')))
    expect(first).not.toEqual(second)
    expect(sealer.open('outbox', bytes('k'), first as Uint8Array)).toEqual(bytes('a secret'))
    expect(sealer.open('outbox', bytes('k'), second as Uint8Array)).toEqual(bytes('a secret'))
    expect(Buffer.from(first as Uint8Array).includes('a secret')).toBe(false)
  })

  it('writes the number of the key and a Secure Cell with the context of the store, the sublevel and the key', () => {
    const key = new Uint8Array(32).fill(7)
    const { storeId } = keys
    const own = sealerOf(
      new StoreKeys({ storeId, indexKey: new Uint8Array(32), keys: new Map([[300, key]]) }),
      randomBytes
    )
    const sealed = own.seal('inbox', bytes('where'), bytes('what'))
    const context = concat(bytes('parley/store/v1', 0), storeId, lp(bytes('inbox')), lp(bytes('where')))
    expect(storeId).toHaveLength(16)
    expect(sealed.subarray(0, 4)).toEqual(u32(300))
    expect(decryptSeal(key, sealed.subarray(4), context)).toEqual(bytes('what'))
  })

  it('opens nothing that lies in another place, is of another store, or was changed', () => {
    const sealed = sealer.seal('inbox', bytes('k'), bytes('x'))
    expect(() => sealer.open('outbox', bytes('k'), sealed)).toThrow(damagedIn('outbox'))
    expect(() => sealer.open('inbox', bytes('j'), sealed)).toThrow(damagedIn('inbox'))
    const other = sealerOf(createStoreKeys(randomBytes), randomBytes)
    expect(() => other.open('inbox', bytes('k'), sealed)).toThrow(damagedIn('inbox'))
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect(() => sealer.open('inbox', bytes('k'), changed)).toThrow(damagedIn('inbox'))
      expect(() => sealer.open('inbox', bytes('k'), sealed.subarray(0, at))).toThrow(damagedIn('inbox'))
    }
  })

  it('is bound to the same store after it was opened again, with an ID that was synced', async () => {
    expect([disk.unsyncedCount, isSealed(store)]).toEqual([0, true])
    const sealed = sealer.seal('peers', bytes('k'), bytes('x'))
    await store.close()
    await store.open()
    expect((await openSealer({ store, keys, randomBytes })).open('peers', bytes('k'), sealed)).toEqual(bytes('x'))
  })

  it('is refused for the store of other keys', async () => {
    const others = openSealer({ store, keys: createStoreKeys(randomBytes), randomBytes })
    await expect(others).rejects.toMatchObject({ code: 'STORE_KEYS_INVALID' })
  })

  it('seals with the newest key and opens with each', () => {
    const [one, two] = [1, 2].map(fill => new Uint8Array(32).fill(fill)) as [Uint8Array, Uint8Array]
    const { storeId } = keys
    const indexKey = new Uint8Array(32)
    const before = sealerOf(new StoreKeys({ storeId, indexKey, keys: new Map([[1, one]]) }), randomBytes)
    const old = before.seal('peers', bytes('k'), bytes('x'))
    const both = new Map([
      [1, one],
      [2, two]
    ])
    const after = sealerOf(new StoreKeys({ storeId, indexKey, keys: both }), randomBytes)
    expect(after.open('peers', bytes('k'), old)).toEqual(bytes('x'))
    const young = after.seal('peers', bytes('k'), bytes('x'))
    expect(young.subarray(0, 4)).toEqual(u32(2))
    expect(() => before.open('peers', bytes('k'), young)).toThrow(damagedIn('peers'))
  })

  it('hides names in a keyed hash of 16 bytes in which parts cannot be moved from one to the next', async () => {
    const indexKey = new Uint8Array(32).fill(9)
    const own = sealerOf(
      new StoreKeys({ storeId: keys.storeId, indexKey, keys: new Map([[1, indexKey]]) }),
      randomBytes
    )
    const expected = createHmac('sha256', new Uint8Array(32).fill(9)).update(concat(lp(bytes('ab')), lp(bytes(0xc3))))
    expect(own.hiddenName('ab', bytes(0xc3))).toEqual(new Uint8Array(expected.digest().subarray(0, 16)))
    expect(own.hiddenName('ab', 'c')).not.toEqual(own.hiddenName('a', 'bc'))
    expect(own.hiddenName('ab')).not.toEqual(own.hiddenName('ab', ''))
    expect(sealer.hiddenName('ab')).not.toEqual(own.hiddenName('ab'))
  })
})

describe('store keys', () => {
  const refusal = () => new RangeError('malformed')
  const invalid = RangeError
  const keys = createStoreKeys(randomBytes)

  it('are the same after they were encoded and decoded', () => {
    const decoded = decodeStoreKeys(keys.encode(), refusal)
    expect(decoded.encode()).toEqual(keys.encode())
    expect(decoded.newest).toBe(1)
    expect(decoded.keyedHash(bytes('x'))).toEqual(keys.keyedHash(bytes('x')))
    const { storeId } = keys
    const many = new StoreKeys({
      storeId,
      indexKey: randomBytes(32).slice(),
      keys: new Map([3, 9].map(number => [number, randomBytes(32).slice()]))
    })
    expect(decodeStoreKeys(many.encode(), refusal).newest).toBe(9)
  })

  it('are refused with any byte cut off or added', () => {
    const encoded = keys.encode()
    for (let at = 0; at < encoded.length; at++) {
      expect(() => decodeStoreKeys(encoded.subarray(0, at), refusal)).toThrow(invalid)
    }
    expect(() => decodeStoreKeys(concat(encoded, bytes(0)), refusal)).toThrow(invalid)
  })

  it('seal with a new key once there is one, and open with the old one until it is let go', () => {
    let current = keys
    const following = sealerFollowing(() => current, randomBytes)
    const place = bytes('k')
    const first = following.seal('peers', place, bytes('x'))
    current = keys.withNewKey(randomBytes)
    expect([current.newest, current.count]).toEqual([2, 2])
    const second = following.seal('peers', place, bytes('y'))
    expect([first, second].map(keyNumberOf)).toEqual([1, 2])
    expect(following.open('peers', place, first)).toEqual(bytes('x'))
    const name = following.hiddenName('bob')
    current = current.withoutOldKeys()
    expect([current.newest, current.count]).toEqual([2, 1])
    expect(following.open('peers', place, second)).toEqual(bytes('y'))
    expect(following.hiddenName('bob')).toEqual(name)
    const restarted = sealerOf(current, randomBytes)
    expect(() => restarted.open('peers', place, first)).toThrow(expect.objectContaining({ code: 'RECORD_DAMAGED' }))
    expect(restarted.open('peers', place, second)).toEqual(bytes('y'))
  })

  it('that were let go open still what a reader holds, until the keys change again', () => {
    let current = keys.withNewKey(randomBytes)
    const held = sealerOf(keys, randomBytes).seal('inbox', bytes('k'), bytes('x'))
    const following = sealerFollowing(() => current, randomBytes)
    current = current.withoutOldKeys()
    expect(following.open('inbox', bytes('k'), held)).toEqual(bytes('x'))
    current = current.withNewKey(randomBytes)
    expect(() => following.open('inbox', bytes('k'), held)).toThrow(expect.objectContaining({ code: 'RECORD_DAMAGED' }))
  })

  it('show nothing of themselves', () => {
    const secret = new Uint8Array(32).fill(0xa5)
    const shown = new StoreKeys({ storeId: new Uint8Array(16), indexKey: secret, keys: new Map([[1, secret]]) })
    expect(inspect(shown, { showHidden: true, depth: 9 })).toBe('StoreKeys { newest: 1, count: 1 }')
    expect(JSON.stringify({ shown })).toBe('{"shown":{"newest":1,"count":1}}')
  })
})
