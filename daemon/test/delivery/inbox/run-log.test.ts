import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Entry, RunLog } from '../../../src/delivery/inbox/run-log.ts'
import { Source } from '../../../src/delivery/inbox/source.ts'

const source = new Source('alice', 'chat')

function entryAt(first: number, count: number): Entry {
  const bodies = Array.from({ length: count }, () => new Uint8Array(10))
  return {
    ...{
      first,
      end: first + count,
      source,
      from: 'alice@host',
      fromName: 'alice',
      idPrefix: 'e.1.',
      firstSeq: 1,
      sentAt: 0
    },
    ...{ bodyBytes: 10 * count, bodies, durable: undefined, isHandled: false, isGone: false }
  }
}

describe('a log of runs', () => {
  it('finds the oldest kept run at or after an index, whatever went in whatever order', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('append' as const), count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ type: fc.constant('remove' as const), at: fc.double({ min: 0, max: 0.999, noNaN: true }) })
    )
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 600, size: 'max' }),
        fc.array(fc.nat(1_200), { maxLength: 20 }),
        (steps, indexes) => {
          const log = new RunLog()
          let kept: Entry[] = []
          for (const each of steps) {
            if (each.type === 'append') {
              const entry = entryAt(log.end, each.count)
              log.append(entry)
              kept.push(entry)
            } else {
              const entry = kept[Math.floor(each.at * kept.length)]
              if (entry === undefined) continue
              log.remove(entry)
              kept = kept.filter(other => other !== entry)
            }
          }
          expect(log.kept()).toEqual(kept)
          for (const index of indexes) expect(log.find(index)).toBe(kept.find(entry => entry.end > index))
          const messageCount = kept.reduce((sum, entry) => sum + entry.end - entry.first, 0)
          expect([log.messageCount, log.costBytes]).toEqual([messageCount, messageCount * (10 + 128)])
        }
      ),
      { numRuns: 50 }
    )
  })

  it('gives nothing behind what the lost disk may hold, until it is known', () => {
    const log = new RunLog()
    const lane = {} as NonNullable<Entry['durable']>['lane']
    const onItsWay = (first: number): Entry => ({
      ...entryAt(first, 2),
      durable: { lane, receivedAtMs: 0, maybeDuplicate: false, sizes: undefined }
    })
    log.append(entryAt(1, 2))
    const lost = onItsWay(3)
    log.append(lost)
    log.append(entryAt(5, 1))
    expect(log.dropUnsynced()).toEqual([lost])
    log.append(entryAt(6, 1))
    expect(log.readyEnd).toBe(3)
    log.replaceDurable([onItsWay(3)])
    expect(log.readyEnd).toBe(7)
    expect(log.kept().map(({ first }) => first)).toEqual([1, 3, 5, 6])
  })
})
