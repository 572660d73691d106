import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { textBytes } from '../../src/identity/fields.ts'
import { heldInMemory, KeyringHolder } from '../../src/identity/keyring-holder.ts'
import { createLog } from '../../src/observe/log.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../src/store/memory.ts'
import type { Sublevel } from '../../src/store/port.ts'
import { ResealingStore } from '../../src/store/resealing.ts'
import { StoreRotation } from '../../src/store/rotation.ts'
import { isPlainRecord, keyNumberOf, openSealer, sealerOf } from '../../src/store/sealed.ts'
import type { Sealer } from '../../src/store/sealer.ts'
import { identityNamed } from '../identity/identities.ts'
import { bytes, put } from './contract.ts'

const randomBytes = seededRandomBytes('rotation')
const NO_LOG = createLog({ level: 'error', format: 'text', write: () => {} })
const RECORD_COUNT = 300

/** A store whose batches are written when the test says so. */
class World {
  readonly disk: MemoryDisk
  readonly clock = new VirtualClock()
  readonly holder: KeyringHolder
  readonly plain: MemoryStore
  store!: ResealingStore
  sealer!: Sealer
  rotation!: StoreRotation
  /** Batches wait for it. */
  gate: Promise<void> | undefined

  constructor(disk = new MemoryDisk(), holder = heldInMemory(identityNamed('ada'))) {
    this.disk = disk
    this.holder = holder
    this.plain = new MemoryStore(disk, { written: async () => this.gate })
  }

  async open(): Promise<this> {
    await this.plain.open()
    const { holder, clock, plain } = this
    this.sealer = await openSealer({ store: plain, keys: () => holder.current.storeKeys, randomBytes })
    const newest = (): number => holder.current.storeKeys.newest
    this.store = new ResealingStore({ store: plain, sealer: this.sealer, newest })
    this.rotation = new StoreRotation({ store: this.store, keys: holder, clock, randomBytes, log: NO_LOG })
    return this
  }

  async write(sublevel: Sublevel, name: string, text: string): Promise<void> {
    const key = textBytes(name)
    await this.store.batch([put(sublevel, key, this.sealer.seal(sublevel, key, bytes(text)))], { sync: true })
  }

  read(sublevel: Sublevel, name: string): string {
    const key = textBytes(name)
    return Buffer.from(this.sealer.open(sublevel, key, this.plain.get(sublevel, key) ?? bytes(0))).toString()
  }

  async fill(): Promise<void> {
    for (let at = 0; at < RECORD_COUNT; at++) await this.write(at % 2 === 0 ? 'inbox' : 'lanes', `k${at}`, `v${at}`)
  }

  /** Runs the rotation to its end. */
  async rotated(): Promise<void> {
    for (let turn = 0; this.rotation.info().rotating; turn++) {
      if (turn === 10_000) throw new Error('the rotation does not end')
      await this.clock.advance(5)
    }
  }

  async keyNumbers(): Promise<ReadonlySet<number>> {
    const numbers = new Set<number>()
    for (const sublevel of ['meta', 'inbox', 'lanes', 'peers'] as const) {
      for await (const { key, value } of this.plain.range(sublevel)) {
        if (!isPlainRecord(sublevel, key)) numbers.add(keyNumberOf(value))
      }
    }
    return numbers
  }
}

let world: World
beforeEach(async () => {
  world = await new World().open()
})

describe('a rotation of the store key', () => {
  it('seals every record anew, and then lets the old key go, which opens nothing', async () => {
    await world.fill()
    const old = world.holder.current.storeKeys
    expect(await world.rotation.begin()).toMatchObject({ newest: 2, rotating: true })
    await world.rotated()
    expect(world.rotation.info()).toEqual({ newest: 2, rotating: false, resealed: RECORD_COUNT })
    expect(await world.keyNumbers()).toEqual(new Set([2]))
    for (let at = 0; at < RECORD_COUNT; at++) {
      expect(world.read(at % 2 === 0 ? 'inbox' : 'lanes', `k${at}`)).toBe(`v${at}`)
    }
    const withOld = sealerOf(old, randomBytes)
    for await (const { key, value } of world.plain.range('inbox')) {
      expect(() => withOld.open('inbox', key, value)).toThrow(expect.objectContaining({ code: 'RECORD_DAMAGED' }))
    }
  })

  it('writes over no value that a writer has given meanwhile, in flight or done', async () => {
    await world.write('inbox', 'a', 'old a')
    await world.write('inbox', 'b', 'old b')
    const opened = Promise.withResolvers<void>()
    world.gate = opened.promise
    const writing = world.write('inbox', 'a', 'new a')
    await world.holder.replace(keyring => keyring.with({ storeKeys: keyring.storeKeys.withNewKey(randomBytes) }))
    const resealing = world.store.reseal('inbox', [textBytes('a'), textBytes('b')])
    const later = world.write('inbox', 'b', 'new b')
    opened.resolve()
    await Promise.all([writing, resealing, later])
    expect([world.read('inbox', 'a'), world.read('inbox', 'b')]).toEqual(['new a', 'new b'])
    expect((await resealing).count).toBe(1)
  })

  it('finds what was sealed before the new key and written after it', async () => {
    await world.fill()
    const key = textBytes('late')
    const late = world.sealer.seal('peers', key, bytes('late'))
    const opened = Promise.withResolvers<void>()
    world.gate = opened.promise
    const early = world.write('peers', 'early', 'early')
    await world.rotation.begin()
    const writing = world.store.batch([put('peers', key, late)], { sync: true })
    opened.resolve()
    await Promise.all([early, writing])
    await world.rotated()
    expect(await world.keyNumbers()).toEqual(new Set([2]))
    expect([world.read('peers', 'late'), world.read('peers', 'early')]).toEqual(['late', 'early'])
  })

  it('goes on beside writers, and loses none of their values', async () => {
    await world.fill()
    await world.rotation.begin()
    for (let turn = 0; world.rotation.info().rotating; turn++) {
      await world.write('inbox', `k${(turn * 14) % RECORD_COUNT}`, `turn ${turn}`)
      await world.write('lanes', `new ${turn}`, `turn ${turn}`)
      expect(world.read('inbox', `k${(turn * 14) % RECORD_COUNT}`)).toBe(`turn ${turn}`)
      await world.clock.advance(5)
    }
    expect(await world.keyNumbers()).toEqual(new Set([2]))
  })

  it.each([0, 1, 2, 3, 7])('that was cut after %i of its steps goes on at the next start', async steps => {
    await world.fill()
    await world.rotation.begin()
    for (let step = 0; step < steps; step++) await world.clock.advance(5)
    await world.rotation.stop()
    world.plain.abandon()
    world.disk.crash(seededRandomBytes(`crash ${steps}`))
    const next = await new World(world.disk, world.holder).open()
    next.rotation.resume()
    await next.rotated()
    expect(await next.keyNumbers()).toEqual(new Set([2]))
    for (let at = 0; at < RECORD_COUNT; at++) {
      expect(next.read(at % 2 === 0 ? 'inbox' : 'lanes', `k${at}`)).toBe(`v${at}`)
    }
  })

  it('is joined by who asks for another one while it runs, and begun anew by who asks afterwards', async () => {
    await world.fill()
    const infos = await Promise.all([world.rotation.begin(), world.rotation.begin()])
    expect(infos.map(({ newest }) => newest)).toEqual([2, 2])
    await world.rotated()
    expect(await world.rotation.begin()).toMatchObject({ newest: 3 })
    await world.rotated()
    expect(await world.keyNumbers()).toEqual(new Set([3]))
  })

  it('leaves a record that no key opens, and comes to its end', async () => {
    await world.fill()
    const damaged = bytes('x'.repeat(60))
    await world.plain.batch([put('inbox', textBytes('k0'), damaged)], { sync: true })
    await world.rotation.begin()
    await world.rotated()
    expect(world.plain.get('inbox', textBytes('k0'))).toEqual(damaged)
    // As a part sets one aside.
    await world.store.batch([put('inbox', textBytes('damaged/k0'), damaged)], { sync: true })
    expect(world.plain.get('inbox', textBytes('damaged/k0'))).toEqual(damaged)
  })

  it('waits while the store is lost, says so, and goes on when it is back', async () => {
    await world.fill()
    await world.rotation.begin()
    await world.plain.close()
    await world.clock.advance(5)
    expect(world.rotation.info()).toMatchObject({ rotating: true, waitingFor: 'STORE_UNAVAILABLE' })
    await world.plain.open()
    world.rotation.resume()
    await world.rotated()
    expect(world.rotation.info()).toMatchObject({ newest: 2, rotating: false })
  })

  it('does not begin where the new key cannot be put on disk', async () => {
    const refused = new Error('full')
    const holder = new KeyringHolder(identityNamed('ada'), () => Promise.reject(refused))
    const poor = await new World(new MemoryDisk(), holder).open()
    await poor.fill()
    await expect(poor.rotation.begin()).rejects.toBe(refused)
    expect(poor.rotation.info()).toEqual({ newest: 1, rotating: false, resealed: 0 })
    expect(await poor.keyNumbers()).toEqual(new Set([1]))
  })
})
