import { afterEach, describe, expect, it, vi } from 'vitest'
import { SystemClock } from '../../src/actor/system-clock.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { describeClock } from './clock-contract.ts'

describeClock('SystemClock', () => {
  const clock = new SystemClock()
  return { clock, pass: ms => new Promise(resolve => clock.timer(ms, resolve)) }
})

describeClock('VirtualClock', () => {
  const clock = new VirtualClock()
  return { clock, pass: ms => clock.advance(ms) }
})

describe('SystemClock', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('runs a timer longer than setTimeout can wait, and not before', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    const ran: string[] = []
    const clock = new SystemClock()
    clock.timer(2 ** 32, () => ran.push('kept'))
    const cancelled = clock.timer(2 ** 32, () => ran.push('cancelled'))
    vi.advanceTimersByTime(2 ** 32 - 1)
    expect(ran).toEqual([])
    cancelled.cancel()
    vi.advanceTimersByTime(1)
    expect(ran).toEqual(['kept'])
  })
})

describe('VirtualClock', () => {
  it('starts where it is told to and moves by what it is told', async () => {
    const clock = new VirtualClock({ wallMs: 1_000 })
    await clock.advance(250.5)
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([1_250, 250.5])
  })

  it('steps wall time and leaves monotonic time and timers alone', async () => {
    const clock = new VirtualClock({ wallMs: 5_000 })
    let ran = false
    clock.timer(100, () => {
      ran = true
    })
    clock.stepWall(-3_600_000)
    expect(clock.wallMs()).toBe(-3_595_000)
    await clock.advance(99)
    expect([ran, clock.monotonicMs()]).toEqual([false, 99])
    await clock.advance(1)
    expect(ran).toBe(true)
  })

  it('shows a timer the time at which it was due, and runs timers that timers ask for', async () => {
    const clock = new VirtualClock()
    const seenMs: number[] = []
    const tick = () => {
      seenMs.push(clock.monotonicMs())
      clock.timer(10, tick)
    }
    clock.timer(10, tick)
    await clock.advance(35)
    expect(seenMs).toEqual([10, 20, 30])
    expect(clock.monotonicMs()).toBe(35)
  })

  it('keeps the order of asking among timers due together', async () => {
    const clock = new VirtualClock()
    const ran: number[] = []
    for (let index = 0; index < 20; index++) clock.timer(index % 2, () => ran.push(index))
    await clock.advance(1)
    expect(ran).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19])
  })

  it('runs until no timer is left, and stands where the last one ran', async () => {
    const clock = new VirtualClock()
    clock.timer(10, () => clock.timer(20, () => {}))
    await clock.runUntilIdle(1_000)
    expect([clock.monotonicMs(), clock.timerCount]).toEqual([30, 0])
  })

  it('refuses to run until idle what never is', async () => {
    const clock = new VirtualClock()
    const tick = () => {
      clock.timer(10, tick)
    }
    tick()
    await expect(clock.runUntilIdle(100)).rejects.toBeInstanceOf(RangeError)
  })

  it('refuses to be moved by two callers at once', async () => {
    const clock = new VirtualClock()
    const first = clock.advance(10)
    await expect(clock.advance(10)).rejects.toThrow()
    await first
    expect(clock.monotonicMs()).toBe(10)
  })

  it('reports what a timer throws to whoever moves the clock, and can be moved again', async () => {
    const clock = new VirtualClock()
    clock.timer(5, () => {
      throw new TypeError('broken')
    })
    await expect(clock.advance(10)).rejects.toBeInstanceOf(TypeError)
    await clock.advance(10)
    expect(clock.monotonicMs()).toBe(15)
  })
})
