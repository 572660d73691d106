import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Host, LANE } from './durable-support.ts'
import { fetchRuns, indexesOf, KiB, MiB, subscribe } from './support.ts'

/** Flips a bit of the n-th record of a sublevel. */
async function damage(host: Host, sublevel: 'inbox' | 'lanes' | 'consumers', nth: number): Promise<void> {
  let left = nth
  for await (const { key, value } of host.store.range(sublevel)) {
    if (--left > 0) continue
    value[value.length - 1] = (value.at(-1) as number) ^ 1
    await host.store.batch([{ type: 'put', sublevel, key, value }], { sync: true })
    return
  }
  throw new Error('there is no such record')
}

describe('indexes', () => {
  it('are never used again, whatever came and whenever the power goes', async () => {
    const step = fc.record({
      durable: fc.boolean(),
      count: fc.integer({ min: 1, max: 5 }),
      after: fc.constantFrom('nothing', 'settle', 'crash', 'restart', 'lose')
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
        const host = await Host.start()
        const seen = new Map<number, string>()
        let reading = (await subscribe(host.inbox)).reading
        let seq = 1
        const check = () => {
          for (const run of reading.runs) {
            run.bodies.forEach((_, n) => {
              const what = `${run.id.replace(/[0-9]+$/, last => `${Number(last) + n}`)}`
              expect(seen.get(run.first + n) ?? what).toBe(what)
              seen.set(run.first + n, what)
            })
          }
        }
        let lives = 0
        for (const { durable, count, after } of steps) {
          if (durable) {
            const session = host.session()
            const stored = host.inbox.marks('alice')?.[0]?.stored ?? 0
            seq = stored + 1
            session.run(seq, count)
            await host.settle()
            session.attachment.detach()
          } else {
            const idPrefix = `life${lives++}.1.`
            const origin = { contact: 'bob', from: 'b', fromName: () => 'b', channel: 'chat', idPrefix }
            let granted = 0
            const grant = (messages: number) => {
              granted = messages
            }
            const lane = host.inbox.openLane({ ...origin, grant })
            if (granted >= count)
              lane.deliver(
                1,
                1,
                Array.from({ length: count }, () => new Uint8Array(1))
              )
            lane.close()
          }
          check()
          if (after === 'settle') await host.settle()
          if (after === 'lose') await host.loseStore()
          if (after !== 'crash' && after !== 'restart') continue
          if (after === 'crash') await host.crash(`${lives}`)
          else await host.restart()
          reading = (await subscribe(host.inbox)).reading
        }
        check()
      }),
      { numRuns: 60 }
    )
  })

  it('go on exactly where they ended after an orderly stop, and the log keeps its name', async () => {
    const host = await Host.start()
    host.session().run(1, 3)
    await host.settle()
    const { id } = host.inbox
    await host.restart()
    expect([host.inbox.id, host.inbox.next]).toEqual([id, 4])
    await host.crash()
    expect(host.inbox.id).toBe(id)
    expect(host.inbox.next).toBeGreaterThan(4)
    expect((await Host.start()).inbox.id).toHaveLength(16)
  })
})

describe('a store that is lost', () => {
  it('gives back what it holds when it is there again, and readers go on at their cursor', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const look = await subscribe(host.inbox, { consumer: null })
    host.session().run(1, 3)
    await host.settle()
    await host.inbox.ack('app', 1)
    await host.loseStore()
    expect(reading.indexes).toEqual([1, 2, 3, 2, 3])
    expect(look.reading.indexes).toEqual([1, 2, 3])
    const session = host.session()
    session.run(4, 1)
    await host.settle()
    expect(reading.indexes).toEqual([1, 2, 3, 2, 3, 4])
    expect(look.reading.indexes).toEqual([1, 2, 3, 4])
    expect([reading.endings, look.reading.endings]).toEqual([[], []])
  })

  it('says so to who waits for it, takes nothing durable meanwhile, and tells no mark', async () => {
    const host = await Host.start()
    await subscribe(host.inbox)
    const session = host.session()
    session.run(1, 3)
    await host.settle()
    const acked = host.inbox.ack('app', 2)
    host.inbox.storeLost()
    await expect(acked).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    // Said again, what failed fails again.
    await expect(host.inbox.ack('app', 2)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(host.inbox.ack('app', 3)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(subscribe(host.inbox, { consumer: 'new' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(host.inbox.seek('app', 'now')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    session.run(4, 2)
    expect(host.inbox.marks('alice')).toBeUndefined()
    await host.inbox.reload()
    expect(host.inbox.marks('alice')).toMatchObject([{ stored: 3 }])
    expect(session.receipts).toEqual([`stored ${LANE}:1-3`])
    expect(host.inbox.stats().consumers).toBe(1)
  })

  it('is noticed by a write that fails', async () => {
    const host = await Host.start()
    const { reading } = await subscribe(host.inbox)
    const session = host.session()
    await host.store.close()
    session.run(1, 1)
    await host.settle()
    expect([session.receipts, reading.indexes, host.inbox.marks('alice')]).toEqual([[], [], undefined])
    await host.store.open()
    await host.inbox.reload()
    expect(host.inbox.marks('alice')).toEqual([])
  })

  it('keeps a fetch waiting, which then gets what comes', async () => {
    const host = await Host.start()
    const fetched = fetchRuns(host.inbox, { waitMs: 60_000 })
    await host.settle()
    await host.loseStore()
    host.session().run(1, 2)
    expect(indexesOf((await fetched).runs)).toEqual([1, 2])
  })
})

describe('damage', () => {
  it('of a run sets it aside and goes on', async () => {
    const host = await Host.start()
    host.session().run(1, 2)
    await host.settle()
    const session = host.session()
    session.run(3, 2)
    await host.settle()
    await damage(host, 'inbox', 1)
    await host.crash()
    expect(host.events).toEqual([{ kind: 'store.damaged', sublevel: 'inbox', indexes: { from: 1, to: 2 } }])
    expect(host.damaged).toEqual(['inbox'])
    expect((await subscribe(host.inbox)).reading.indexes).toEqual([3, 4])
    await host.settle()
    host.events.length = 0
    await host.crash()
    expect(host.events).toEqual([])
  })

  it('that is found when a run is given is told to its sender', async () => {
    const host = await Host.start({ bodyCacheBytesMax: 0 })
    const session = host.session()
    session.run(1, 2)
    await host.settle()
    session.run(3, 2)
    await host.settle()
    await damage(host, 'inbox', 1)
    const { reading } = await subscribe(host.inbox)
    expect(reading.indexes).toEqual([3, 4])
    await host.settle()
    expect(session.receipts.at(-1)).toBe(`rejected ${LANE}:1-2 RECORD_DAMAGED`)
    expect(host.events).toMatchObject([{ kind: 'store.damaged', indexes: { from: 1, to: 2 }, ids: { count: 2 } }])
  })

  it('of a lane or a consumer is nothing to go on with', async () => {
    for (const sublevel of ['lanes', 'consumers'] as const) {
      const host = await Host.start()
      await subscribe(host.inbox)
      host.session().run(1, 2)
      await host.settle()
      await damage(host, sublevel, 1)
      await expect(host.crash()).rejects.toMatchObject({ code: 'RECORD_DAMAGED', data: { sublevel } })
    }
  })
})

describe('what is larger than memory', () => {
  it('stays on disk but for a bounded cache, and is given all the same', async () => {
    const host = await Host.start({
      ...{ bodyCacheBytesMax: 256 * KiB, messageBytesMax: MiB, laneCreditBytes: 4 * MiB, laneCreditMessages: 16_384 },
      ...{ inboxDiskBytesMax: 64 * MiB, inboxContactBytesMax: 64 * MiB, inboxLaneBytesMax: 64 * MiB }
    })
    const session = host.session()
    for (let n = 1; n <= 400; n++) {
      session.run(n, 1, { size: 60 * KiB })
      await host.settle()
      expect(host.inbox.stats().cachedBytes).toBeLessThanOrEqual(256 * KiB)
    }
    expect(host.inbox.stats().durableBytes).toBeGreaterThan(23 * MiB)
    let next = 1
    const subscription = await host.inbox.subscribe({
      ...{ consumer: 'app', filter: { contacts: null, channels: null }, by: 'test', owner: 'local' },
      ...{ creditMessages: 1e6, creditBytes: 1e9, ended: () => expect.fail('ended') },
      take: run => {
        expect(run.first).toBe(next)
        for (const body of run.bodies) expect(body.every(byte => byte === next % 256)).toBe(true)
        next = run.first + run.bodies.length
        return true
      }
    })
    subscription.resume()
    while (next <= 400) await host.inbox.ack('app', next - 1)
    expect(host.inbox.stats().cachedBytes).toBeLessThanOrEqual(256 * KiB)
    await host.inbox.ack('app', 400)
    expect(host.inbox.stats()).toMatchObject({ durableBytes: 0, cachedBytes: 0 })
  })
})

describe('whenever the power goes', () => {
  it('what was receipted is there once, in order, and what was acknowledged is not', async () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('run' as const), count: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ type: fc.constant('skip' as const), count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ type: fc.constantFrom('ack' as const, 'settle' as const, 'crash' as const, 'lose' as const) })
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.string(), async (steps, seed) => {
        const host = await Host.start()
        let session = host.session()
        let { reading } = await subscribe(host.inbox)
        let sent = 0
        let acked = 0
        const numbers = new Map<number, number>()
        const skipped = new Set<number>()
        let crashes = 0
        const note = () => {
          for (const run of reading.runs.splice(0)) {
            run.bodies.forEach((body, n) => {
              const number = Number(run.id.split('.').at(-1)) + n
              expect(body[0]).toBe(number % 256)
              expect(skipped.has(number)).toBe(false)
              expect(numbers.get(run.first + n) ?? number).toBe(number)
              numbers.set(run.first + n, number)
            })
          }
        }
        const restart = async () => {
          session = host.session()
          sent = host.inbox.marks('alice')?.[0]?.stored ?? 0
          // What was skipped and is not on disk may come as something else now.
          for (const number of skipped) if (number > sent) skipped.delete(number)
        }
        for (const each of steps) {
          switch (each.type) {
            case 'run':
              session.run(sent + 1, each.count)
              sent += each.count
              break
            case 'skip':
              session.attachment.skip({ lane: LANE, from: sent + 1, to: sent + each.count })
              for (let n = 1; n <= each.count; n++) skipped.add(sent + n)
              sent += each.count
              break
            case 'ack': {
              const index = reading.indexes.at(-1)
              if (index === undefined) break
              await host.inbox.ack('app', index)
              acked = Math.max(acked, index)
              break
            }
            case 'settle':
              await host.settle()
              break
            case 'lose':
              await host.loseStore()
              await restart()
              break
            case 'crash': {
              const stored = Math.max(
                0,
                ...session.receipts.flatMap(text => /^stored .*-([0-9]+)/.exec(text)?.[1] ?? []).map(Number)
              )
              await host.crash(`${seed}${crashes++}`)
              await restart()
              expect(sent).toBeGreaterThanOrEqual(stored)
              note()
              ;({ reading } = await subscribe(host.inbox))
              expect(reading.indexes.every(index => index > acked)).toBe(true)
              break
            }
          }
          note()
        }
        await host.settle()
        note()
        const inOrder = [...numbers].sort(([a], [b]) => a - b).map(([, number]) => number)
        expect(inOrder).toEqual([...new Set(inOrder)].sort((a, b) => a - b))
        const missing = Array.from({ length: sent }, (_, n) => n + 1).filter(
          n => !inOrder.includes(n) && !skipped.has(n)
        )
        expect(missing).toEqual([])
      }),
      { numRuns: 80 }
    )
  })
})
