import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { DaemonError } from '../../src/errors.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { type Availability, GuardedStore, type Reserve } from '../../src/store/guarded.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import type { Store, StoreRange, StoreWrite, Sublevel } from '../../src/store/port.ts'
import { ReserveFile } from '../../src/store/reserve-file.ts'
import { bytes, collect, describeStore, put } from './contract.ts'

const options = { backOffMs: 100, backOffMaxMs: 350 }

/** A store on a disk that can be full, and that then behaves as LevelDB's store does: it closes itself. */
class FullDiskStore implements Store {
  readonly inner = new MemoryStore(new MemoryDisk())
  isFull = false
  isLying = false
  canOpen = true
  openCount = 0

  async open(): Promise<void> {
    this.openCount++
    if (!this.canOpen) throw new DaemonError('STORE_LOCKED', 'in the test')
    await this.inner.open()
  }
  close(): Promise<void> {
    return this.inner.close()
  }
  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.inner.get(sublevel, key)
  }
  range(sublevel: Sublevel, range?: StoreRange) {
    return this.inner.range(sublevel, range)
  }
  async batch(writes: readonly StoreWrite[], batchOptions: { readonly sync: boolean }): Promise<void> {
    if (this.isLying) return
    if (!this.isFull) return this.inner.batch(writes, batchOptions)
    await this.inner.close()
    throw new DaemonError('STORE_UNAVAILABLE', 'no space left in the test')
  }
}

describeStore('GuardedStore', async () => {
  const disk = new MemoryDisk()
  const make = () =>
    new GuardedStore(
      {
        store: new MemoryStore(disk),
        clock: new VirtualClock(),
        randomBytes: seededRandomBytes('guarded'),
        onChange: change => {
          throw new Error(`changed to ${change.isAvailable}`)
        }
      },
      options
    )
  // The probe is an entry of `meta` that the contract does not know of.
  const withoutProbe = (store: Store): Store => ({
    open: () => store.open(),
    close: () => store.close(),
    get: (sublevel, key) => store.get(sublevel, key),
    range: async function* (sublevel, range) {
      for await (const entry of store.range(sublevel, range)) if (entry.key.length !== 5) yield entry
    },
    batch: (writes, batchOptions) => store.batch(writes, batchOptions)
  })
  return { store: withoutProbe(make()), other: () => withoutProbe(make()), remove: async () => {} }
})

describe('GuardedStore', () => {
  let disk: FullDiskStore
  let clock: VirtualClock
  let log: string[]
  let guarded: GuardedStore
  const write = (value: number) => guarded.batch([put('inbox', bytes('k'), bytes(value))], { sync: true })
  const unavailable = expect.objectContaining({ code: 'STORE_UNAVAILABLE' })

  const make = (reserve?: Reserve) =>
    new GuardedStore(
      {
        store: disk,
        clock,
        randomBytes: seededRandomBytes('guarded'),
        onChange: change => log.push(change.isAvailable ? 'available' : 'lost'),
        ...(reserve === undefined ? {} : { reserve })
      },
      options
    )

  beforeEach(() => {
    disk = new FullDiskStore()
    clock = new VirtualClock()
    log = []
    guarded = make()
  })

  it('says that the store is lost before the caller hears of the failed write, and once for all that were in flight', async () => {
    await guarded.open()
    disk.isFull = true
    const writes = [1, 2, 3].map(value => write(value).catch(error => log.push(error.code)))
    await Promise.all(writes)
    expect(log).toEqual(['lost', ...Array(3).fill('STORE_UNAVAILABLE')])
  })

  it('refuses everything until it was opened again and a synced write has gone through', async () => {
    await guarded.open()
    await write(1)
    disk.isFull = true
    await expect(write(2)).rejects.toEqual(unavailable)
    await clock.advance(100)
    // Open again below, but the probe fails: still nothing is accepted.
    expect(disk.openCount).toBe(2)
    expect(() => guarded.get('inbox', bytes('k'))).toThrow(unavailable)
    await expect(collect(guarded.range('inbox'))).rejects.toEqual(unavailable)
    disk.isFull = false
    await expect(write(3)).rejects.toEqual(unavailable)
    await clock.advance(200)
    expect(log).toEqual(['lost', 'lost', 'available'])
    expect(guarded.get('inbox', bytes('k'))).toEqual(bytes(1))
    await write(4)
    expect(guarded.get('inbox', bytes('k'))).toEqual(bytes(4))
  })

  it('waits longer after each failed try, up to the maximum, and never gives up', async () => {
    await guarded.open()
    disk.isFull = true
    await expect(write(1)).rejects.toEqual(unavailable)
    disk.canOpen = false
    const triedAtMs: number[] = []
    while (triedAtMs.length < 5) {
      const openCount = disk.openCount
      await clock.advance(10)
      if (disk.openCount > openCount) triedAtMs.push(clock.monotonicMs())
    }
    expect(triedAtMs).toEqual([100, 300, 650, 1_000, 1_350])
    Object.assign(disk, { canOpen: true, isFull: false })
    await clock.advance(350)
    expect(log.at(-1)).toBe('available')
  })

  it('begins with the short wait again when it is lost a second time', async () => {
    await guarded.open()
    for (let loss = 0; loss < 2; loss++) {
      disk.isFull = true
      await expect(write(1)).rejects.toEqual(unavailable)
      disk.isFull = false
      await clock.advance(100)
    }
    expect(log).toEqual(['lost', 'available', 'lost', 'available'])
  })

  it('does not open on a disk that takes no write, or keeps none, and lets go of it', async () => {
    disk.isFull = true
    await expect(guarded.open()).rejects.toEqual(unavailable)
    disk.isFull = false
    disk.isLying = true
    await expect(guarded.open()).rejects.toEqual(unavailable)
    disk.isLying = false
    await guarded.open()
    await write(1)
    expect(log).toEqual([])
  })

  it('tries no more once it is closed, not even when a try is under way', async () => {
    await guarded.open()
    disk.isFull = true
    await expect(write(1)).rejects.toEqual(unavailable)
    const opening = Promise.withResolvers<void>()
    const open = disk.open.bind(disk)
    disk.open = () => opening.promise.then(open)
    await clock.advance(100)
    const closed = guarded.close()
    opening.resolve()
    await closed
    await clock.advance(10_000)
    expect(log).toEqual(['lost'])
    expect(clock.timerCount).toBe(0)
    // The disk is free for another user.
    await disk.inner.open()
    await disk.inner.close()
  })

  it('gives up its reserve before it opens again, and takes it back afterwards', async () => {
    const fail = (name: string) => {
      log.push(name)
      return name === 'fill' && disk.isFull ? Promise.reject(new Error('no space')) : Promise.resolve()
    }
    guarded = make({ fill: () => fail('fill'), release: () => fail('release') })
    await guarded.open()
    disk.isFull = true
    await expect(write(1)).rejects.toEqual(unavailable)
    disk.isFull = false
    await clock.advance(100)
    expect(log).toEqual(['fill', 'lost', 'release', 'fill', 'available'])
  })

  it('gives its reserve up where the disk is too full for the first opening', async () => {
    const release = async () => {
      log.push('release')
      disk.isFull = false
    }
    guarded = make({ fill: async () => void log.push('fill'), release })
    disk.isFull = true
    await guarded.open()
    await write(1)
    expect(log).toEqual(['release', 'fill'])
    await guarded.close()
    // A store that another process has open is no full disk.
    disk.canOpen = false
    await expect(guarded.open()).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    expect(log).toEqual(['release', 'fill'])
  })

  it('tells what the store says, not that a disk that cannot be written keeps its reserve', async () => {
    const errors: unknown[] = []
    const readOnly = () => Promise.reject(Object.assign(new Error('read-only'), { code: 'EROFS', syscall: 'unlink' }))
    const onChange = (change: Availability) => errors.push(change.isAvailable ? undefined : change.error)
    const deps = { store: disk, clock, randomBytes: seededRandomBytes('guarded'), onChange }
    guarded = new GuardedStore({ ...deps, reserve: { fill: readOnly, release: readOnly } }, options)
    disk.isFull = true
    await expect(guarded.open()).rejects.toEqual(unavailable)
    disk.isFull = false
    await guarded.open()
    disk.isFull = true
    await expect(write(1)).rejects.toEqual(unavailable)
    await clock.advance(100)
    expect(errors).toEqual([unavailable, unavailable])
    disk.isFull = false
    await clock.advance(200)
    expect(errors[2]).toBeUndefined()
    await write(1)
  })

  it('serves without a reserve where there is no room for one', async () => {
    guarded = make({ fill: () => Promise.reject(new Error('no space')), release: () => Promise.resolve() })
    await guarded.open()
    await write(1)
    expect(guarded.get('inbox', bytes('k'))).toEqual(bytes(1))
  })
})

describe('ReserveFile', () => {
  it('takes real space, once, and gives it up', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'parley-reserve-'))
    try {
      const path = join(directory, 'reserve')
      const reserve = new ReserveFile(path, 200_000)
      await reserve.fill()
      await reserve.fill()
      const found = await stat(path)
      expect([found.size, found.mode & 0o777]).toEqual([200_000, 0o600])
      expect(found.blocks * 512).toBeGreaterThanOrEqual(200_000)
      await reserve.release()
      await reserve.release()
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
