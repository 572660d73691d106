import { SecureComparator } from '@parley/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { SystemClock } from '../../../src/actor/system-clock.ts'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import { type ComparatorWorker, InProcessComparator } from '../../../src/peer/compare/comparator.ts'
import { ThreadComparator } from '../../../src/peer/compare/thread.ts'
import { seededRandomBytes } from '../../../src/random.ts'

const randomBytes = seededRandomBytes('thread')
const secret = (text: string) => Uint8Array.from(new TextEncoder().encode(text))
const open: ThreadComparator[] = []

function thread(clock = new SystemClock(), file?: URL): ThreadComparator {
  const comparator = new ThreadComparator(clock, file)
  open.push(comparator)
  return comparator
}

/** Runs one comparison, our worker first. */
async function match(worker: ComparatorWorker, ours: string, theirs: string): Promise<[string, string]> {
  const run = worker.open(secret(ours))
  const other = new SecureComparator({ randomBytes })
  other.append(secret(theirs))
  let step = await run.begin()
  for (let reply = step.reply; reply !== undefined; reply = step.reply) {
    const answer = other.receive(reply)
    if (answer === undefined) break
    step = await run.receive(answer)
  }
  run.close()
  return [step.result, other.result]
}

afterEach(async () => {
  for (const comparator of open.splice(0)) await comparator.stop()
})

describe.each([
  ['in a thread', () => thread()],
  ['in the own thread', () => new InProcessComparator({ randomBytes, clock: new SystemClock() })]
])('a comparator %s', (_, make) => {
  it('finds what the protocol finds, for many at once', async () => {
    const worker = make()
    const cases = [
      ['a', 'a'],
      ['a', 'b'],
      ['same', 'same']
    ] as const
    expect(await Promise.all(cases.map(([ours, theirs]) => match(worker, ours, theirs)))).toEqual([
      ['match', 'match'],
      ['no-match', 'no-match'],
      ['match', 'match']
    ])
  })

  it('takes the secret, and leaves nothing of it with the caller', async () => {
    const worker = make()
    const own = secret('the red fox')
    const run = worker.open(own)
    expect(own.length === 0 || own.every(byte => byte === 0)).toBe(true)
    run.close()
  })

  it('refuses a message that cannot be read, and tells of a proof that does not hold', async () => {
    const worker = make()
    const bad = worker.open(secret('x'))
    await expect(bad.receive(new Uint8Array(3))).rejects.toMatchObject({ code: 'INVALID_MESSAGE' })
    bad.close()
    const other = new SecureComparator({ randomBytes })
    other.append(secret('x'))
    const first = other.begin()
    first[40] = (first[40] ?? 0) ^ 1
    const tampered = worker.open(secret('x'))
    expect(await tampered.receive(first)).toMatchObject({ hasFailed: true })
    tampered.close()
  })
})

describe('the thread of comparisons', () => {
  it('starts with the first one, and ends some seconds after the last', async () => {
    const clock = new VirtualClock()
    const worker = thread(clock as never)
    expect(worker.isRunning).toBe(false)
    const run = worker.open(secret('x'))
    await run.begin()
    expect(worker.isRunning).toBe(true)
    await clock.advance(60_000)
    expect(worker.isRunning).toBe(true)
    run.close()
    await clock.advance(9_000)
    expect(worker.isRunning).toBe(true)
    await clock.advance(2_000)
    expect(worker.isRunning).toBe(false)
  })

  it('takes down what it computes when it fails, and nothing else', async () => {
    const dying = thread(undefined, new URL('data:text/javascript,throw new Error("dead")'))
    await expect(dying.open(secret('x')).begin()).rejects.toThrow('the thread of the comparison has ended')
    const worker = thread()
    const lost = worker.open(secret('x'))
    const step = lost.begin()
    step.catch(() => {})
    await worker.stop()
    lost.close()
    expect(await match(worker, 'same', 'same')).toEqual(['match', 'match'])
  })
})
