import { makeConfig } from '@parley/config'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import { TRY_COUNT_MAX, TRY_WINDOW_MS, Tries } from '../../../src/peer/compare/tries.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../src/store/memory.ts'
import { testSealer } from '../../store/test-sealer.ts'
import { type House, Town } from '../town.ts'
import { codeOf, compare, start } from './town-compare.ts'

const MINUTE = 60_000

/** As after a crash of whoever had the disk. */
async function openTries(clock: VirtualClock, disk: MemoryDisk): Promise<Tries> {
  disk.crash(seededRandomBytes('crash'))
  const store = new MemoryStore(disk)
  await store.open()
  return await Tries.open({ store, clock, sealer: testSealer(), options: makeConfig().limits, run: code => code() })
}

async function spend(clock: VirtualClock, tries: Tries, count: number): Promise<void> {
  for (let each = 0; each < count; each++) {
    const spent = tries.spend('bob')
    await clock.settle()
    await spent
  }
}

describe('the tries of a contact', () => {
  it('are five in fifteen minutes, and then none for fifteen', async () => {
    const clock = new VirtualClock()
    const tries = await openTries(clock, new MemoryDisk())
    await spend(clock, tries, TRY_COUNT_MAX - 1)
    await clock.advance(10 * MINUTE)
    expect(tries.lockedForMs('bob')).toBe(0)
    await spend(clock, tries, 1)
    expect(tries.lockedForMs('bob')).toBe(TRY_WINDOW_MS)
    await expect(tries.spend('bob')).rejects.toMatchObject({
      code: 'COMPARE_LOCKED',
      data: { retryAfterMs: TRY_WINDOW_MS }
    })
    expect(tries.lockedForMs('carol')).toBe(0)
    await clock.advance(TRY_WINDOW_MS - 1)
    expect(tries.lockedForMs('bob')).toBe(1)
    await clock.advance(1)
    expect(tries.lockedForMs('bob')).toBe(0)
    await spend(clock, tries, TRY_COUNT_MAX)
    expect(tries.lockedForMs('bob')).toBe(TRY_WINDOW_MS)
  })

  it('come back one by one where they lie fifteen minutes apart', async () => {
    const clock = new VirtualClock()
    const tries = await openTries(clock, new MemoryDisk())
    for (let each = 0; each < 20; each++) {
      await spend(clock, tries, 1)
      await clock.advance(TRY_WINDOW_MS / (TRY_COUNT_MAX - 1))
    }
    expect(tries.lockedForMs('bob')).toBe(0)
  })

  it('are on disk when spent, over a restart at any moment, whatever the clock of the host does', async () => {
    const disk = new MemoryDisk()
    const clock = new VirtualClock()
    const tries = await openTries(clock, disk)
    await spend(clock, tries, TRY_COUNT_MAX)
    expect((await openTries(clock, disk)).lockedForMs('bob')).toBe(TRY_WINDOW_MS)
    clock.stepWall(-24 * 60 * MINUTE)
    expect((await openTries(clock, disk)).lockedForMs('bob')).toBeGreaterThanOrEqual(TRY_WINDOW_MS)
    // A step forward over a restart cannot be told from time that has passed; one of more than an hour is not believed at once.
    clock.stepWall(72 * 60 * MINUTE)
    const doubtful = await openTries(clock, disk)
    expect(doubtful.lockedForMs('bob')).toBeGreaterThan(0)
    clock.stepWall(24 * 60 * MINUTE)
    expect(doubtful.lockedForMs('bob')).toBeGreaterThan(0)
  })

  it('are given back by a match', async () => {
    const clock = new VirtualClock()
    const disk = new MemoryDisk()
    const tries = await openTries(clock, disk)
    for (let each = 0; each < 3 * TRY_COUNT_MAX; each++) {
      const spent = tries.spend('bob')
      await clock.settle()
      const back = tries.giveBack(await spent)
      await clock.settle()
      await back
    }
    expect((await openTries(clock, disk)).lockedForMs('bob')).toBe(0)
  })
})

/** Compares until a try is refused; how many were not. */
async function guess(town: Town, from: House, to: House, max: number): Promise<number> {
  for (let count = 0; count < max; count++) {
    try {
      const [first] = await compare(town, [from, to], ['right', `wrong ${count}`])
      expect(first.verdict).toBe('no-match')
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^COMPARE_(LOCKED|REFUSED)$/) })
      return count
    }
  }
  return max
}

describe('the sixth wrong try', () => {
  it('is refused on both sides, in both directions, and after a restart of either', async () => {
    const town = new Town('sixth')
    const [alice, bob] = await town.pair()
    expect(await guess(town, alice, bob, 3)).toBe(3)
    expect(await guess(town, bob, alice, 9)).toBe(2)
    expect(await town.run(codeOf(start(alice, 'bob', 's')))).toBe('COMPARE_LOCKED')
    await alice.kill()
    await town.until(() => bob.state('alice') !== 'established')
    await alice.start()
    await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established')
    expect(await town.run(codeOf(start(alice, 'bob', 's')))).toBe('COMPARE_LOCKED')
    expect(await town.run(codeOf(start(bob, 'alice', 's')))).toBe('COMPARE_LOCKED')
    await town.clock.advance(TRY_WINDOW_MS + MINUTE)
    const [first] = await compare(town, [alice, bob], ['s', 's'])
    expect(first.verdict).toBe('match')
  })

  it('is not reached by matches', async () => {
    const town = new Town('matches')
    const pair = await town.pair()
    for (let each = 0; each < 12; each++) expect((await compare(town, pair, ['s', 's']))[0].verdict).toBe('match')
  })
})
