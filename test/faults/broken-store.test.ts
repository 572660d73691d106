import type { Client, Health } from '@parley/client-sdk'
import { expect, it } from 'vitest'
import { type Host, World } from '../simulation/world.ts'

// A whole daemon whose disk takes no writes: a read-only mount, a full disk and a failed sync look the same to it.

interface Pair {
  readonly world: World
  readonly ann: Host
  readonly ben: Host
}

async function pair(seed: string): Promise<Pair> {
  const world = await World.of(['ann', 'ben'], seed, { limits: { storeBackOffMinMs: 100, storeBackOffMaxMs: 1_000 } })
  const [ann, ben] = world.hosts
  if (ann === undefined || ben === undefined) throw new Error('two hosts')
  return { world, ann, ben }
}

const LONG_MS = 60_000

/** Texts read by a program of `host`, until there are `count`. */
async function read(client: Client, count: number): Promise<string[]> {
  const texts: string[] = []
  for await (const message of client.messages({ channel: 'c', consumer: 'reader' })) {
    texts.push(message.text())
    await message.ack()
    if (texts.length === count) break
  }
  return texts
}

it('on a disk that cannot be written refuses what is durable, says why, carries what is not, and comes back by itself', async () => {
  const { world, ann, ben } = await pair('read-only')
  const receipt = await world.run(ann.client.send('ben', 'before', { channel: 'c' }))
  await world.run(receipt.stored())
  ann.store?.failFor(LONG_MS)
  const bodies = [new TextEncoder().encode('meanwhile')]
  const send = () => world.run(ann.client.call('messages.send', { peer: 'ben', channel: 'c', bodies }))
  await expect(send()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', data: { accepted: 'unknown' } })
  await expect(send()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', data: { accepted: 'no' } })
  const health: Health = await world.run(ann.client.health())
  expect(health.ready).toBe(false)
  expect(health.components['store']).toMatchObject({ state: 'down', code: 'STORE_UNAVAILABLE' })
  expect(health.components['store']?.action).toMatch(/disk/)

  const hearing = ben.client.messages({ channel: 'plain', consumer: 'plain' })
  await world.run(hearing.ready())
  await world.run(ann.client.send('ben', 'not durable', { channel: 'plain', durable: false }))
  expect((await world.run(hearing.next())).value?.text()).toBe('not durable')

  await world.clock.advance(LONG_MS + 5_000)
  expect((await world.run(ann.client.health())).ready).toBe(true)
  await world.run(ann.client.send('ben', 'after', { channel: 'c' }))
  const reading = ben.client.messages({ channel: 'c', consumer: 'reader' })
  const texts: string[] = []
  while (texts.at(-1) !== 'after') texts.push((await world.run(reading.next())).value?.text() ?? '')
  // What nobody could answer for may have been kept.
  expect(texts.filter(text => text !== 'meanwhile')).toEqual(['before', 'after'])
  expect(texts.length).toBeLessThanOrEqual(3)
})

it('after a failed sync of the sender nobody is told of an acceptance that is not on disk', async () => {
  const { world, ann, ben } = await pair('failed sync')
  const accepted: string[] = []
  const sending = Array.from({ length: 60 }, async (_, number) => {
    await ann.client.send('ben', String(number), { channel: 'c' }).then(
      () => accepted.push(String(number)),
      () => undefined // refused, or nobody knows
    )
  })
  await world.clock.advance(2)
  ann.store?.failFor(500)
  await world.run(Promise.all(sending))
  await world.run(ann.client.send('ben', 'last', { channel: 'c', timeoutMs: 30_000 }))
  const texts: string[] = []
  const reading = ben.client.messages({ channel: 'c', consumer: 'reader' })
  while (texts.at(-1) !== 'last') texts.push((await world.run(reading.next())).value?.text() ?? '')
  expect(texts).toEqual([...new Set(texts)])
  expect(texts).toEqual(expect.arrayContaining(accepted))
})

it('a receiver whose disk fails loses nothing, and says `stored` of nothing that it has not', async () => {
  const { world, ann, ben } = await pair('receiver')
  const first = await world.run(ann.client.send('ben', '0', { channel: 'c' }))
  await world.run(first.stored())
  ben.store?.failFor(20_000)
  const receipts = await world.run(
    Promise.all([1, 2, 3].map(number => ann.client.send('ben', String(number), { channel: 'c' })))
  )
  await world.clock.advance(10_000)
  for (const receipt of receipts) {
    expect(['accepted', 'sent']).toContain((await world.run(receipt.state())).state)
  }
  await world.clock.advance(15_000)
  await world.run(Promise.all(receipts.map(receipt => receipt.stored())))
  expect(await world.run(read(ben.client, 4))).toEqual(['0', '1', '2', '3'])
})
