import { median } from './statistics.ts'

/** What is measured, and in what. Times and memory are better when small, rates when large. */
export type Unit = 'a second' | 'MB/s' | 'µs' | 'ms' | 'kB'

/** One thing to measure, several times. */
export interface Case {
  /** Unique in its suite: implementation, work, size. */
  readonly name: string
  readonly unit: Unit
  /** Bytes of one piece of work, where a rate moves bytes: shown as MB/s too. */
  readonly bytes?: number | undefined
  /** One measurement of about `ms` milliseconds, in `unit`. Called one at a time, never beside another. */
  measure(ms: number): Promise<number>
}

/** Two cases whose quotient is judged: machines differ, ratios of one run do so less. */
export interface Ratio {
  readonly what: string
  /** Names of cases of the same suite; more than one on a side are added up. */
  readonly of: string
  readonly to: string
  /** The quotient must be at least this where large is good, and at most this for times and memory. */
  readonly bar?: number
  /** What is hoped for. */
  readonly aim?: number
}

/** Cases that are measured in turn, round by round, so that what disturbs the machine disturbs all of them alike. */
export interface Suite {
  readonly name: string
  readonly cases: readonly Case[]
  readonly ratios: readonly Ratio[]
  close(): Promise<void>
}

export interface Measured {
  readonly name: string
  readonly unit: Unit
  readonly median: number
  /** Of the median, where the work moves bytes. */
  readonly megabytesPerSecond?: number
  readonly min: number
  readonly max: number
  readonly rounds: readonly number[]
}

export interface Judged extends Ratio {
  readonly value: number
  /** Undefined where there is no bar. A ratio that was not measured has not passed. */
  readonly passed: boolean | undefined
}

export interface SuiteResult {
  readonly name: string
  readonly measured: readonly Measured[]
  readonly ratios: readonly Judged[]
}

export interface RoundOptions {
  /** At least five, for a median that means something. */
  readonly rounds: number
  /** Of one measurement. */
  readonly ms: number
  readonly log: (line: string) => void
}

/** Measures a suite: one round to warm up, then `rounds`, each case once a round, the order turned by one from round to round. */
export async function measureSuite(suite: Suite, options: RoundOptions): Promise<SuiteResult> {
  const { rounds, ms, log } = options
  const results = new Map<Case, number[]>(suite.cases.map(one => [one, []]))
  for (let round = 0; round <= rounds; round++) {
    log(`${suite.name}: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`)
    const turn = round % suite.cases.length
    for (const one of [...suite.cases.slice(turn), ...suite.cases.slice(0, turn)]) {
      const value = await one.measure(ms)
      if (round > 0) results.get(one)?.push(value)
    }
  }
  const measured = [...results].map(([{ name, unit, bytes }, values]) => ({
    name,
    unit,
    median: median(values),
    ...(bytes === undefined ? {} : { megabytesPerSecond: (median(values) * bytes) / 1e6 }),
    min: Math.min(...values),
    max: Math.max(...values),
    rounds: values
  }))
  return { name: suite.name, measured, ratios: suite.ratios.map(ratio => judge(ratio, measured)) }
}

function judge(ratio: Ratio, measured: readonly Measured[]): Judged {
  const of = measured.find(one => one.name === ratio.of)
  const to = measured.find(one => one.name === ratio.to)
  const value = (of?.median ?? Number.NaN) / (to?.median ?? Number.NaN)
  if (ratio.bar === undefined) return { ...ratio, value, passed: undefined }
  const smallIsGood = of?.unit === 'µs' || of?.unit === 'ms' || of?.unit === 'kB'
  return { ...ratio, value, passed: smallIsGood ? value <= ratio.bar : value >= ratio.bar }
}

/** Makes a case of a function that does `count` pieces of work at a call: how many pieces a second. */
export function rateOf(name: string, work: () => unknown, count = 1, bytes?: number): Case {
  return {
    name,
    unit: 'a second',
    bytes,
    async measure(ms) {
      const start = performance.now()
      let calls = 0
      let now = start
      do {
        const done = work()
        if (done instanceof Promise) await done
        calls++
        now = performance.now()
      } while (now - start < ms)
      return ((calls * count) / (now - start)) * 1_000
    }
  }
}

/** Makes two cases of the same round trips: the time that half of them, and 99 of 100, stay below. */
export function roundTripsOf(name: string, trip: () => Promise<unknown>): readonly Case[] {
  const percentileCase = (label: string, share: number): Case => ({
    name: `${name}, ${label}`,
    unit: 'µs',
    async measure(ms) {
      const times: number[] = []
      const end = performance.now() + ms
      while (performance.now() < end) {
        const start = performance.now()
        await trip()
        times.push((performance.now() - start) * 1_000)
      }
      times.sort((a, b) => a - b)
      return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN
    }
  })
  return [percentileCase('p50', 0.5), percentileCase('p99', 0.99)]
}
