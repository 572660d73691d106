import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { CommandContext } from '../../src/cli/context.ts'
import { Progress, sizeText } from '../../src/cli/progress.ts'
import { fakeHost } from './fake-host.ts'

const MiB = 1024 * 1024

function scene(isTerminal: boolean) {
  const { host, err } = fakeHost({ args: [] })
  Object.assign(host.stderr, { isTTY: isTerminal, columns: 200 })
  const clock = new VirtualClock()
  return { clock, err, progress: new Progress(new CommandContext(host, 'parley'), clock, false) }
}

describe('progress', () => {
  it('says how far, how fast and how long, counting only what has moved since it began', async () => {
    const { clock, progress } = scene(true)
    progress.update('a', 'film.mp4', 40 * MiB, 100 * MiB)
    await clock.advance(1_000)
    progress.update('a', 'film.mp4', 45 * MiB, 100 * MiB)
    await clock.advance(1_000)
    progress.update('a', 'film.mp4', 50 * MiB, 100 * MiB)
    expect(progress.line()).toBe('██████████░░░░░░░░░░ 50 % of 100 MiB, 5.0 MiB/s, 10 s left  film.mp4')
  })

  it('draws one line on a terminal, a few times a second, and takes it away', async () => {
    const { clock, err, progress } = scene(true)
    for (let step = 0; step < 100; step++) {
      progress.update('a', 'film\u001b[2J', step, 100)
      await clock.advance(10)
    }
    await progress.remove('a')
    const lines = err.text.split('\r\u001b[K')
    expect(lines).toHaveLength(6)
    expect(lines.at(-1)).toBe('')
    expect(err.text).not.toContain('\u001b[2J')
    expect(err.text).not.toContain('\n')
  })

  it('is silent where there is no terminal', async () => {
    const { err, progress } = scene(false)
    progress.update('a', 'film.mp4', 1, 2)
    await progress.remove('a')
    expect(err.text).toBe('')
  })

  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_536, '1.5 KiB'],
    [2_147_483_648, '2.0 GiB']
  ])('writes %i bytes as %s', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text)
  })
})
