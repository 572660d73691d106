import { describe, expect, it } from 'vitest'
import type { Wraps } from './host.ts'
import { PLANTS } from './plants.ts'
import { replayCommand, simulate } from './simulation.ts'

const SEED_COUNT_MAX = 200

interface Catch {
  readonly seed: string
  readonly after: number
  readonly wrong: readonly string[]
}

/** Runs seeds until one is wrong. */
async function catchBug(make: () => Wraps): Promise<Catch | undefined> {
  for (let number = 0; number < SEED_COUNT_MAX; number++) {
    const { seed, wrong } = await simulate(`planted/${number}`, { wraps: make() })
    if (wrong.length > 0) return { seed, after: number + 1, wrong }
  }
  return undefined
}

// A simulation that finds nothing in daemons with bugs would say nothing of daemons without.
describe('the simulation finds a daemon that', () => {
  it.each(Object.entries(PLANTS))(
    'would %s',
    async (bug, make) => {
      const caught = await catchBug(make)
      const [first = ''] = caught?.wrong ?? []
      process.stdout.write(`${bug}: seed ${caught?.seed}, after ${caught?.after} seeds: ${first.split('\n')[0]}\n`)
      expect(caught, `not caught in ${SEED_COUNT_MAX} seeds`).toBeDefined()
      // It is the bug that is found: without it the same seed is right.
      expect((await simulate(caught?.seed ?? '')).wrong, replayCommand(caught?.seed ?? '')).toEqual([])
    },
    120_000
  )
})
