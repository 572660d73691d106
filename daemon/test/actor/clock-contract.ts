import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/actor/clock.ts'

export interface ClockUnderTest {
  readonly clock: Clock
  /** Lets `ms` pass on the clock under test. */
  readonly pass: (ms: number) => Promise<void>
}

/** What every clock does; `make` is called once for each case. */
export function describeClock(name: string, make: () => ClockUnderTest): void {
  describe(`${name} as a clock`, () => {
    it('gives wall time in whole milliseconds, near the time of a calendar', () => {
      const { clock } = make()
      expect(Number.isSafeInteger(clock.wallMs())).toBe(true)
      expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2020, 0, 1))
    })

    it('moves monotonic and wall time forward together', async () => {
      const { clock, pass } = make()
      const monotonicMs = clock.monotonicMs()
      const wallMs = clock.wallMs()
      await pass(20)
      expect(clock.monotonicMs() - monotonicMs).toBeGreaterThanOrEqual(20)
      expect(clock.wallMs() - wallMs).toBeGreaterThanOrEqual(19)
    })

    it('runs a timer once, not before its delay is over', async () => {
      const { clock, pass } = make()
      const startMs = clock.monotonicMs()
      const ranAtMs: number[] = []
      clock.timer(15, () => ranAtMs.push(clock.monotonicMs()))
      await pass(60)
      expect(ranAtMs).toHaveLength(1)
      expect((ranAtMs[0] as number) - startMs).toBeGreaterThanOrEqual(15)
    })

    it('never runs a timer on the stack of the caller, whatever the delay', async () => {
      const { clock, pass } = make()
      const ran: string[] = []
      clock.timer(0, () => ran.push('zero'))
      clock.timer(-5, () => ran.push('negative'))
      expect(ran).toEqual([])
      await pass(30)
      expect(ran.sort()).toEqual(['negative', 'zero'])
    })

    it('runs timers in the order of their due times', async () => {
      const { clock, pass } = make()
      const ran: number[] = []
      for (const delayMs of [45, 5, 25]) clock.timer(delayMs, () => ran.push(delayMs))
      await pass(90)
      expect(ran).toEqual([5, 25, 45])
    })

    it('does not run a cancelled timer, and takes a second cancel or a late one', async () => {
      const { clock, pass } = make()
      const ran: string[] = []
      const cancelled = clock.timer(5, () => ran.push('cancelled'))
      const late = clock.timer(5, () => ran.push('late'))
      cancelled.cancel()
      cancelled.cancel()
      await pass(30)
      late.cancel()
      expect(ran).toEqual(['late'])
    })

    it('does not run a timer at once because its delay is longer than 2^31 ms', async () => {
      const { clock, pass } = make()
      let ran = false
      const timer = clock.timer(2 ** 31 + 10, () => {
        ran = true
      })
      await pass(30)
      timer.cancel()
      expect(ran).toBe(false)
    })

    it('runs the end of a turn after the code now running, in order, and before any timer', async () => {
      const { clock, pass } = make()
      const ran: string[] = []
      clock.timer(0, () => ran.push('timer'))
      clock.endOfTurn(() => {
        ran.push('first')
        clock.endOfTurn(() => ran.push('nested'))
      })
      clock.endOfTurn(() => ran.push('second'))
      expect(ran).toEqual([])
      await pass(20)
      expect(ran).toEqual(['first', 'second', 'nested', 'timer'])
    })

    it('ends the turn of one timer, promises included, before it runs the next', async () => {
      const { clock, pass } = make()
      const ran: string[] = []
      for (const name of ['a', 'b']) {
        clock.timer(10, () => {
          ran.push(name)
          void Promise.resolve().then(() => {
            ran.push(`${name} promise`)
            clock.endOfTurn(() => ran.push(`${name} end`))
          })
        })
      }
      await pass(40)
      expect(ran).toEqual(['a', 'a promise', 'a end', 'b', 'b promise', 'b end'])
    })
  })
}
