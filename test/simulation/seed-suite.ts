import { expect, it } from 'vitest'
import { replayCommand, simulate } from './simulation.ts'
import { Tally } from './tally.ts'

/** Runs seeds one after the other, each to its end, and then looks whether all that can happen did. */
export function seedSuite(base: string, from: number, to: number): void {
  it(`keep the promise in seeds ${base}/${from} to ${base}/${to - 1}, and meet every event`, async () => {
    const tally = new Tally()
    const wrong: string[] = []
    for (let number = from; number < to; number++) {
      const result = await simulate(`${base}/${number}`)
      tally.merge(result.counts)
      if (result.wrong.length > 0) wrong.push(`${replayCommand(result.seed)}\n  ${result.wrong.join('\n  ')}`)
    }
    const counts = tally.counts()
    process.stdout.write(`${JSON.stringify(counts)}\n`)
    expect(wrong).toEqual([])
    expect(tally.missing()).toEqual([])
  }, 120_000)
}
