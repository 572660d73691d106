import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from '../../src/store/port.ts'

export const bytes = (...values: (number | string)[]): Uint8Array =>
  Uint8Array.from(values.flatMap(value => (typeof value === 'string' ? [...new TextEncoder().encode(value)] : [value])))
export const put = (sublevel: Sublevel, key: Uint8Array, value: Uint8Array): StoreWrite => ({
  type: 'put',
  sublevel,
  key,
  value
})
export const del = (sublevel: Sublevel, key: Uint8Array): StoreWrite => ({ type: 'delete', sublevel, key })

export async function collect(entries: AsyncIterable<StoreEntry>): Promise<[number[], number[]][]> {
  const found: [number[], number[]][] = []
  for await (const { key, value } of entries) found.push([[...key], [...value]])
  return found
}

const unavailable = expect.objectContaining({ code: 'STORE_UNAVAILABLE' })

export interface StoreUnderTest {
  readonly store: Store
  /** Another store on the same place. */
  readonly other: () => Store
  readonly remove: () => Promise<void>
}

/** What every store does; `make` gives a closed and empty one. */
export function describeStore(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a store`, () => {
    let subject: StoreUnderTest
    let store: Store

    beforeEach(async () => {
      subject = await make()
      store = subject.store
      await store.open()
    })

    afterEach(async () => {
      await store.close()
      await subject.remove()
    })

    describeReadsAndWrites(() => store)
    describeRanges(() => store)

    it('keeps what was written when it is closed and opened again', async () => {
      await store.batch([put('meta', bytes('a'), bytes(1))], { sync: true })
      await store.batch([put('meta', bytes('b'), bytes(2))], { sync: false })
      await store.close()
      await store.open()
      expect(await collect(store.range('meta'))).toEqual([
        [[97], [1]],
        [[98], [2]]
      ])
    })

    it('belongs to one user at a time, and to the next once it is closed', async () => {
      const other = subject.other()
      await expect(other.open()).rejects.toMatchObject({ code: 'STORE_LOCKED' })
      await store.batch([put('meta', bytes('a'), bytes(1))], { sync: true })
      await store.close()
      await other.open()
      expect(other.get('meta', bytes('a'))).toEqual(bytes(1))
      await other.close()
    })

    it('fails every call with STORE_UNAVAILABLE while it is not open', async () => {
      const range = store.range('meta')[Symbol.asyncIterator]()
      await store.batch([put('meta', bytes('a'), bytes(1)), put('meta', bytes('b'), bytes(1))], { sync: false })
      await range.next()
      await store.close()
      expect(() => store.get('meta', bytes('a'))).toThrow(unavailable)
      await expect(store.batch([del('meta', bytes('a'))], { sync: true })).rejects.toEqual(unavailable)
      await expect(collect(store.range('meta'))).rejects.toEqual(unavailable)
      await expect(range.next()).rejects.toEqual(unavailable)
    })

    it('may be opened and closed more often than needed', async () => {
      await store.open()
      await store.close()
      await store.close()
      await store.open()
      expect(store.get('meta', bytes('a'))).toBeUndefined()
    })

    it('settles every batch that was asked for before a close', async () => {
      const batches = Array.from({ length: 20 }, (_, index) =>
        store.batch([put('meta', bytes(index), bytes(index))], { sync: index % 2 === 0 })
      )
      const outcomes = Promise.allSettled(batches)
      await store.close()
      const isKept = (await outcomes).map(outcome => outcome.status === 'fulfilled')
      await store.open()
      isKept.forEach((kept, index) => {
        if (kept) expect(store.get('meta', bytes(index))).toEqual(bytes(index))
      })
    })
  })
}

function describeReadsAndWrites(store: () => Store): void {
  it('gives what was put, and undefined for what was not, or was deleted', async () => {
    await store().batch([put('peers', bytes('a'), bytes(1, 2)), put('peers', bytes('b'), bytes())], { sync: true })
    expect(store().get('peers', bytes('a'))).toEqual(bytes(1, 2))
    expect(store().get('peers', bytes('b'))).toEqual(bytes())
    expect(store().get('peers', bytes('c'))).toBeUndefined()
    await store().batch([del('peers', bytes('a')), del('peers', bytes('never there'))], { sync: false })
    expect(store().get('peers', bytes('a'))).toBeUndefined()
  })

  it('keeps its sublevels apart', async () => {
    await store().batch([put('inbox', bytes('k'), bytes(1)), put('outbox', bytes('k'), bytes(2))], { sync: false })
    expect([store().get('inbox', bytes('k')), store().get('outbox', bytes('k'))]).toEqual([bytes(1), bytes(2)])
    expect(await collect(store().range('inbox'))).toEqual([[[107], [1]]])
    expect(await collect(store().range('lanes'))).toEqual([])
  })

  it('applies the writes of a batch, and batches, in the order in which they were given', async () => {
    const batches = [
      [put('lanes', bytes('n'), bytes(0)), del('lanes', bytes('n')), put('lanes', bytes('n'), bytes(1))],
      [put('lanes', bytes('n'), bytes(2)), put('lanes', bytes('m'), bytes(2))],
      [del('lanes', bytes('m'))],
      [put('lanes', bytes('n'), bytes(3))]
    ]
    await Promise.all(batches.map((writes, index) => store().batch(writes, { sync: index % 2 === 0 })))
    expect([store().get('lanes', bytes('n')), store().get('lanes', bytes('m'))]).toEqual([bytes(3), undefined])
  })

  it('takes an empty batch', async () => {
    await store().batch([], { sync: true })
    expect(await collect(store().range('meta'))).toEqual([])
  })

  it('gives plain arrays that are their reader’s own', async () => {
    await store().batch([put('meta', bytes('a'), bytes(1, 2, 3))], { sync: false })
    const read = store().get('meta', bytes('a'))
    expect(read?.constructor).toBe(Uint8Array)
    read?.fill(0)
    for await (const { key, value } of store().range('meta')) {
      expect([key.constructor, value.constructor]).toEqual([Uint8Array, Uint8Array])
      key.fill(0)
      value.fill(0)
    }
    expect(store().get('meta', bytes('a'))).toEqual(bytes(1, 2, 3))
  })

  it('holds large values', async () => {
    const large = new Uint8Array(1_100_000).map((_, index) => index)
    await store().batch([put('inbox', bytes('large'), large)], { sync: true })
    expect(Buffer.from(store().get('inbox', bytes('large')) ?? []).equals(large)).toBe(true)
  })
}

function describeRanges(store: () => Store): void {
  it('gives a range in the order of bytes, either way, within its bounds', async () => {
    const keys = [
      bytes(0),
      bytes(0, 0),
      bytes(0x21),
      bytes(0x21, 0xff),
      bytes(0x22),
      bytes(0x7f),
      bytes(0x80),
      bytes(0xff)
    ]
    await store().batch(
      keys.toReversed().map((key, index) => put('audit', key, bytes(index))),
      { sync: false }
    )
    const keysOf = async (range?: StoreRange) => (await collect(store().range('audit', range))).map(([key]) => key)
    const all = keys.map(key => [...key])
    expect(await keysOf()).toEqual(all)
    expect(await keysOf({ reverse: true })).toEqual(all.toReversed())
    expect(await keysOf({ gte: bytes(0x21) })).toEqual(all.slice(2))
    expect(await keysOf({ lt: bytes(0x80) })).toEqual(all.slice(0, 6))
    expect(await keysOf({ gte: bytes(0, 0), lt: bytes(0x22) })).toEqual(all.slice(1, 4))
    expect(await keysOf({ gte: bytes(0x22), lt: bytes(0, 0) })).toEqual([])
    expect(await keysOf({ limit: 2 })).toEqual(all.slice(0, 2))
    expect(await keysOf({ limit: 0 })).toEqual([])
    expect(await keysOf({ lt: bytes(0x80), limit: 1, reverse: true })).toEqual([[0x7f]])
  })

  it('gives one snapshot, whatever is written while it is read', async () => {
    const before = Array.from({ length: 2_500 }, (_, index) => put('outbox', bytes(index >> 8, index & 255), bytes(1)))
    await store().batch(before, { sync: false })
    let count = 0
    for await (const { value } of store().range('outbox')) {
      if (count++ === 0) {
        const writes = before.map(({ key }, index) =>
          index % 2 === 0 ? put('outbox', key, bytes(2)) : del('outbox', key)
        )
        await store().batch([...writes, put('outbox', bytes(200), bytes(2))], { sync: false })
      }
      expect([...value]).toEqual([1])
    }
    expect(count).toBe(2_500)
  })

  it('lets a reader leave a range early', async () => {
    await store().batch([put('meta', bytes(1), bytes(1)), put('meta', bytes(2), bytes(2))], { sync: false })
    for await (const { key } of store().range('meta')) {
      expect(key).toEqual(bytes(1))
      break
    }
    expect(await collect(store().range('meta'))).toHaveLength(2)
  })

  it('reads as a plain sorted map does', async () => {
    const key = fc.uint8Array({ maxLength: 3, max: 3 })
    const write = fc.oneof(
      fc.record({ key, value: fc.uint8Array({ maxLength: 4 }) }),
      fc.record({ key, value: fc.constant(undefined) })
    )
    const range = fc.record(
      { gte: key, lt: key, limit: fc.nat(5), reverse: fc.boolean() },
      { requiredKeys: [] }
    ) as fc.Arbitrary<StoreRange>
    const model = new Map<string, Uint8Array>()
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 10 }), range, async (changes, bounds) => {
        await store().batch(
          changes.map(({ key, value }) => (value === undefined ? del('clients', key) : put('clients', key, value))),
          { sync: false }
        )
        for (const { key, value } of changes) {
          const text = Buffer.from(key).toString('hex')
          if (value === undefined) model.delete(text)
          else model.set(text, value)
        }
        const isInside = (text: string) => {
          const each = Buffer.from(text, 'hex')
          return (
            (bounds.gte === undefined || each.compare(bounds.gte) >= 0) &&
            (bounds.lt === undefined || each.compare(bounds.lt) < 0)
          )
        }
        const expected = [...model.keys()].filter(isInside).sort()
        if (bounds.reverse === true) expected.reverse()
        const found = await collect(store().range('clients', bounds))
        expect(found.map(([each]) => Buffer.from(each).toString('hex'))).toEqual(expected.slice(0, bounds.limit))
        expect(found.map(([, value]) => value)).toEqual(
          expected.slice(0, bounds.limit).map(text => [...(model.get(text) as Uint8Array)])
        )
      }),
      { numRuns: 60 }
    )
  })
}
