import type { NodeEvent } from '@parley/client-sdk'
import { expect, it } from 'vitest'
import { type Host, World } from '../simulation/world.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** What a program of `host` is told from now on. */
function follow(host: Host): { readonly events: NodeEvent[]; stop(): Promise<void> } {
  const events: NodeEvent[] = []
  const stop = new AbortController()
  const done = (async () => {
    for await (const event of host.client.events({ signal: stop.signal })) if (event.kind !== 'gap') events.push(event)
  })()
  return {
    events,
    stop: () => {
      stop.abort()
      return done
    }
  }
}

it.each([
  ['forward', DAY_MS],
  ['back', -DAY_MS]
])('a clock that jumps a day %s expires nothing, ends no session, and is told', async (_way, byMs) => {
  const world = await World.of(['ann', 'ben'], `clock ${byMs}`)
  const [ann, ben] = world.hosts
  if (ann === undefined || ben === undefined) throw new Error('two hosts')
  ben.kill()
  await world.clock.advance(1_000)
  const told = follow(ann)
  const waiting = await world.run(ann.client.send('ben', 'hours left', { channel: 'c', ttlMs: 12 * HOUR_MS }))
  await world.clock.advance(1_000)
  world.clock.stepWall(byMs)
  await world.clock.advance(60_000)
  expect((await world.run(waiting.state())).state).toBe('accepted')
  await world.run(ben.start())
  await world.inSession()
  const opened = ann.node.status().counters['opened'] ?? 0
  await world.run(waiting.stored())
  await world.clock.advance(60_000)
  expect(told.events.filter(({ kind }) => kind === 'clock.stepped')).toMatchObject([{ byMs: expect.any(Number) }])
  const [step] = told.events.filter(event => event.kind === 'clock.stepped')
  expect(Math.abs((step?.kind === 'clock.stepped' ? step.byMs : 0) - byMs)).toBeLessThan(10_000)
  expect(ann.node.status().counters['opened'] ?? 0).toBe(opened)
  // What has a second to live ends by elapsed time all the same, once expiry goes on.
  ben.kill()
  await world.clock.advance(1_000)
  const short = await world.run(ann.client.send('ben', 'a second left', { channel: 'c', ttlMs: 1_000 }))
  await world.clock.advance(11 * 60_000)
  expect(await world.run(short.state())).toMatchObject({ state: 'expired', reached: 'no' })
  await told.stop()
})

it('a peer that does not know durable messages gets what is not durable, and the others wait for it', async () => {
  const world = await World.of(['ann', 'old'], 'older', { features: { old: [] } })
  const [ann, old] = world.hosts
  if (ann === undefined || old === undefined) throw new Error('two hosts')
  const hearing = old.client.messages({ channel: 'c', consumer: 'reader' })
  await world.run(hearing.ready())
  const receipt = await world.run(ann.client.send('old', 'durable', { channel: 'c' }))
  await world.run(ann.client.send('old', 'plain', { channel: 'c', durable: false }))
  expect((await world.run(hearing.next())).value?.text()).toBe('plain')
  await world.clock.advance(60_000)
  expect((await world.run(receipt.state())).state).toBe('accepted')
  expect((await world.run(ann.client.peers.get('old'))).queue.messages).toBe(1)
  // It is brought to the same release.
  old.upgrade()
  old.kill()
  await world.run(old.start())
  await world.run(receipt.stored())
  expect((await world.run(hearing.next())).value?.text()).toBe('durable')
})
