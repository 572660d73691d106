import { beforeEach, describe, expect, it } from 'vitest'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import { MIGRATIONS, type Migration, migrate } from '../../src/store/migrations.ts'
import type { Store, StoreWrite } from '../../src/store/port.ts'
import { bytes, collect, del, put } from './contract.ts'

const step = (to: number, plan: Migration['plan'] = async () => []): Migration => ({ to, plan })

describe('migrate', () => {
  let disk: MemoryDisk
  let store: MemoryStore

  beforeEach(async () => {
    disk = new MemoryDisk()
    store = new MemoryStore(disk)
    await store.open()
  })

  it('brings an empty store to the newest version, synced, and then has nothing to do', async () => {
    const newest = MIGRATIONS.at(-1)?.to
    expect(await migrate(store)).toEqual({ from: 0, to: newest })
    expect(disk.unsyncedCount).toBe(0)
    const before = await collect(store.range('meta'))
    expect(await migrate(store)).toEqual({ from: newest, to: newest })
    expect(await collect(store.range('meta'))).toEqual(before)
  })

  it('numbers its own steps without a gap', () => {
    expect(MIGRATIONS.map(({ to }) => to)).toEqual(MIGRATIONS.map((_, index) => index + 1))
  })

  it('runs only the steps that are missing, each on what the steps before it leave', async () => {
    await migrate(store, [step(1)])
    const stored = [
      put('peers', bytes(1), bytes(10)),
      put('peers', bytes(3), bytes(30)),
      put('peers', bytes(5), bytes(50))
    ]
    await store.batch(stored, { sync: false })
    const seen: unknown[] = []
    const changes = [
      put('peers', bytes(0), bytes(1)),
      del('peers', bytes(1)),
      put('peers', bytes(2), bytes(2)),
      put('peers', bytes(3), bytes(3)),
      del('peers', bytes(4)),
      put('peers', bytes(6), bytes(6))
    ]
    const result = await migrate(store, [
      step(1, () => Promise.reject(new Error('ran again'))),
      step(2, async () => changes),
      step(3, async view => {
        seen.push(...[0, 1, 5, 9].map(key => view.get('peers', bytes(key))?.[0]))
        seen.push(await collect(view.entries('peers')), await collect(view.entries('audit')))
        return []
      })
    ])
    const after = [
      [[0], [1]],
      [[2], [2]],
      [[3], [3]],
      [[5], [50]],
      [[6], [6]]
    ]
    expect(result).toEqual({ from: 1, to: 3 })
    expect(seen).toEqual([1, undefined, 50, undefined, after, []])
    expect(await collect(store.range('peers'))).toEqual(after)
  })

  it('writes nothing when a step fails', async () => {
    await migrate(store, [step(1)])
    const before = await collect(store.range('meta'))
    const migrations = [
      step(1),
      step(2, async () => [put('peers', bytes(1), bytes(1))]),
      step(3, () => Promise.reject(new RangeError('broken')))
    ]
    await expect(migrate(store, migrations)).rejects.toBeInstanceOf(RangeError)
    expect(await collect(store.range('peers'))).toEqual([])
    expect(await collect(store.range('meta'))).toEqual(before)
  })

  it('is all there or not at all after a crash in the middle of it', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const crashing = new MemoryDisk()
      const first = new MemoryStore(crashing)
      await first.open()
      const cut: Store = {
        open: () => first.open(),
        close: () => first.close(),
        get: (sublevel, key) => first.get(sublevel, key),
        range: (sublevel, range) => first.range(sublevel, range),
        batch: (writes, options) => {
          const written = first.batch(writes, options)
          crashing.crash(seededRandomBytes(`${seed}`))
          return written
        }
      }
      const migrations = [
        step(1, async () => [put('peers', bytes(1), bytes(1))]),
        step(2, async () => [put('lanes', bytes(1), bytes(1))])
      ]
      await expect(migrate(cut, migrations)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      const second = new MemoryStore(crashing)
      await second.open()
      const counts = [(await collect(second.range('peers'))).length, (await collect(second.range('lanes'))).length]
      const { from } = await migrate(second, migrations)
      outcomes.add(JSON.stringify([...counts, from]))
    }
    expect([...outcomes].sort()).toEqual(['[0,0,0]', '[1,1,2]'])
  })

  it('refuses a newer store and leaves it untouched', async () => {
    await migrate(store, [step(1), step(2)])
    const before = await collect(store.range('meta'))
    await expect(migrate(store, [step(1)])).rejects.toMatchObject({
      code: 'STORE_NEWER',
      data: { schema: 2, known: 1 }
    })
    expect(await collect(store.range('meta'))).toEqual(before)
  })

  it('refuses a store whose version does not decode', async () => {
    const [key] = await migrate(store).then(() => collect(store.range('meta')))
    const write: StoreWrite = put('meta', Uint8Array.from(key?.[0] ?? []), bytes('not a record'))
    await store.batch([write], { sync: true })
    await expect(migrate(store)).rejects.toMatchObject({ code: 'RECORD_DAMAGED', data: { sublevel: 'meta' } })
  })
})
