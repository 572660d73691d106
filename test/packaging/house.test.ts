import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { median, percentile } from '../bench/lib/statistics.ts'
import { StartedProcess } from '../support/daemon-process.ts'
import { repositoryPath } from '../support/machine.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'

const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: repositoryPath, encoding: 'utf8' })

describe('npm run prove', () => {
  const main = 'test/prove/main.ts'

  test('lists the proofs, one JSON object a line', () => {
    const { status, stdout } = node(main, 'list')
    const names = stdout
      .trim()
      .split('\n')
      .map(line => (JSON.parse(line) as { name: string }).name)
    expect(status).toBe(0)
    expect(names).toContain('fresh-checkout')
    expect(names).toEqual([...new Set(names)].sort())
  })

  test('fails for a proof that there is not, and prints nothing that could be taken for a result', () => {
    const { status, stdout, stderr } = node(main, 'no-such-proof')
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toContain('fresh-checkout')
  })
})

describe('npm run bench', () => {
  test('refuses a suite that there is not', () => {
    expect(node('test/bench/main.ts', 'no-such-suite').status).toBe(1)
  })

  test('takes the middle value, and the value below which a share of them lie', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(percentile([4, 3, 2, 1], 0.99)).toBe(4)
    expect(percentile([], 0.5)).toBeNaN()
  })
})

describe('what tests stand on', () => {
  test('until gives what its probe found, and says what it saw last when the time is over', async () => {
    let looks = 0
    expect(await until('three looks', () => ++looks === 3 && 'found')).toBe('found')
    await expect(until('the moon', () => 0, { timeoutMs: 20 })).rejects.toThrow(/the moon; last seen: 0/)
    await expect(until('an answer', () => new Promise<boolean>(() => {}), { timeoutMs: 20 })).rejects.toThrow(
      'an answer'
    )
  })

  test('the same seed gives the same numbers, another seed others', () => {
    const bytes = (seed: string) => Buffer.from(seededRandom(seed).bytes(40)).toString('hex')
    expect(bytes('a')).toBe(bytes('a'))
    expect(bytes('a')).not.toBe(bytes('b'))
  })

  test('a process that ends before it printed what was awaited fails the wait at once', async () => {
    using home = makeTempHome()
    writeFileSync(home.file('short.mjs'), "console.log('one line')\n")
    const started = new StartedProcess(home.file('short.mjs'), [], { home: home.path })
    await expect(started.printed(/another line/)).rejects.toThrow('ended without')
    expect(await started.exited).toEqual({ code: 0, signal: null })
    expect(started.stdout).toBe('one line\n')
  })

  test('a temporary home is gone after its block', () => {
    let path = ''
    {
      using home = makeTempHome()
      path = home.path
      expect(existsSync(path)).toBe(true)
    }
    expect(existsSync(path)).toBe(false)
  })
})
