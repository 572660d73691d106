import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import { bytes, collect, describeStore, put } from './contract.ts'

describeStore('MemoryStore', async () => {
  const disk = new MemoryDisk()
  return { store: new MemoryStore(disk), other: () => new MemoryStore(disk), remove: async () => {} }
})

/** Batch number `index`: two entries that must never be seen apart. */
const batchOf = (index: number) => [
  put('inbox', bytes('a', index), bytes(index)),
  put('lanes', bytes('b', index), bytes(index))
]

async function survivors(disk: MemoryDisk): Promise<number[]> {
  const store = new MemoryStore(disk)
  await store.open()
  const inbox = (await collect(store.range('inbox'))).map(([, value]) => value[0] as number)
  const lanes = (await collect(store.range('lanes'))).map(([, value]) => value[0] as number)
  await store.close()
  expect(lanes).toEqual(inbox)
  return inbox
}

describe('MemoryDisk', () => {
  it('keeps a prefix of whole batches in a crash, never less than what was synced', async () => {
    const step = fc.constantFrom('unsynced', 'synced', 'unsynced in flight', 'synced in flight')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.string(), async (steps, seed) => {
        const disk = new MemoryDisk()
        const store = new MemoryStore(disk)
        await store.open()
        let syncedCount = 0
        const inFlight: Promise<void>[] = []
        for (const [index, name] of steps.entries()) {
          const batch = store.batch(batchOf(index), { sync: name.startsWith('synced') })
          if (name.endsWith('in flight')) inFlight.push(batch.catch(() => {}))
          else await batch
          if (name === 'synced') syncedCount = index + 1
        }
        disk.crash(seededRandomBytes(seed))
        await Promise.all(inFlight)
        const kept = await survivors(disk)
        expect(kept).toEqual(steps.slice(0, kept.length).map((_, index) => index))
        expect(kept.length).toBeGreaterThanOrEqual(syncedCount)
      })
    )
  })

  it('loses any number of the unsynced batches, from none to all', async () => {
    const counts = new Set<number>()
    for (let seed = 0; seed < 60; seed++) {
      const disk = new MemoryDisk()
      const store = new MemoryStore(disk)
      await store.open()
      await store.batch(batchOf(0), { sync: true })
      for (const index of [1, 2, 3]) await store.batch(batchOf(index), { sync: false })
      expect(disk.unsyncedCount).toBe(3)
      disk.crash(seededRandomBytes(`${seed}`))
      counts.add((await survivors(disk)).length)
    }
    expect([...counts].sort()).toEqual([1, 2, 3, 4])
  })

  it('syncs with a batch all that was asked for before it, and nothing after', async () => {
    const disk = new MemoryDisk()
    const store = new MemoryStore(disk)
    await store.open()
    const before = store.batch(batchOf(0), { sync: false })
    const synced = store.batch(batchOf(1), { sync: true })
    const after = store.batch(batchOf(2), { sync: false })
    await Promise.all([before, synced, after])
    expect(disk.unsyncedCount).toBe(1)
  })

  it('closes the store in a crash, fails what was in flight, and opens for the next one', async () => {
    const disk = new MemoryDisk()
    const store = new MemoryStore(disk)
    await store.open()
    const inFlight = store.batch(batchOf(0), { sync: true })
    disk.crash(seededRandomBytes('any'))
    await expect(inFlight).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(() => store.get('inbox', bytes('a', 0))).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }))
    await survivors(disk)
  })

  it('can crash while nobody has it open, and what a close left unsynced may go', async () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 30; seed++) {
      const disk = new MemoryDisk()
      const store = new MemoryStore(disk)
      await store.open()
      await store.batch(batchOf(0), { sync: false })
      await store.close()
      disk.crash(seededRandomBytes(`${seed}`))
      kept.add((await survivors(disk)).length)
    }
    expect([...kept].sort()).toEqual([0, 1])
  })
})
