import type { Client, NodeEvent } from '@parley/client-sdk'
import { expect, it } from 'vitest'
import { type Host, World } from '../simulation/world.ts'

// Whole daemons whose programs are slow, or take and never acknowledge.

interface Pair {
  readonly world: World
  readonly ann: Host
  readonly ben: Host
}

async function pair(seed: string): Promise<Pair> {
  const world = await World.of(['ann', 'ben'], seed, { limits: { consumerUnackedCountMax: 20 } })
  const [ann, ben] = world.hosts
  if (ann === undefined || ben === undefined) throw new Error('two hosts')
  return { world, ann, ben }
}

async function sendMany({ world, ann }: Pair, from: number, to: number): Promise<void> {
  const texts = Array.from({ length: to - from }, (_, offset) => String(from + offset))
  const receipt = await world.run(ann.client.sendRun('ben', texts, { channel: 'c' }))
  await world.run(receipt.stored())
}

/** Takes `count` messages, each with its ack where it is to acknowledge. */
async function take(client: Client, consumer: string, count: number, acks: boolean): Promise<string[]> {
  const texts: string[] = []
  for await (const message of client.messages({ channel: 'c', consumer })) {
    texts.push(message.text())
    if (acks) await message.ack()
    if (texts.length === count) break
  }
  return texts
}

it('an app that never acknowledges is stalled, which is told, and keeps nobody else waiting', async () => {
  const both = await pair('no ack')
  const { world, ben } = both
  const events: NodeEvent['kind'][] = []
  const stop = new AbortController()
  const following = (async () => {
    for await (const event of ben.client.events({ signal: stop.signal }))
      if (event.kind !== 'gap') events.push(event.kind)
  })()
  await sendMany(both, 0, 50)
  const silent = await world.run(ben.connect())
  const taken: string[] = []
  const taking = (async () => {
    for await (const message of silent.messages({ channel: 'c', consumer: 'silent', signal: stop.signal })) {
      taken.push(message.text())
    }
  })()
  await world.until(() => events.includes('consumer.stalled'))
  expect(taken.length).toBeLessThan(50)
  expect(await world.run(take(ben.client, 'lively', 50, true))).toHaveLength(50)
  const { consumers } = await world.run(ben.client.call('consumers.list', {}))
  expect(consumers.find(({ consumer }) => consumer === 'silent')).toMatchObject({ stalled: true, cursor: 0 })
  // What it did not acknowledge is still there for it, and marked.
  stop.abort()
  await world.run(Promise.all([following, taking]))
  await world.run(silent.close())
  const again = ben.client.messages({ channel: 'c', consumer: 'silent' })
  const { value: first } = await world.run(again.next())
  expect(first?.text()).toBe('0')
  expect(first?.redelivered).toBe(true)
})

it('an app that is slow gets everything in order, and its sender is not held up', async () => {
  const both = await pair('slow')
  const { world, ben } = both
  const texts: string[] = []
  const reading = (async () => {
    for await (const message of ben.client.messages({ channel: 'c', consumer: 'slow' })) {
      await new Promise<void>(resolve => void world.clock.timer(500, resolve))
      texts.push(message.text())
      await message.ack()
      if (texts.length === 60) break
    }
  })()
  const startMs = world.clock.monotonicMs()
  await sendMany(both, 0, 60)
  // All are on the disk of the peer long before its program has had them.
  expect(world.clock.monotonicMs() - startMs).toBeLessThan(2_000)
  expect(texts.length).toBeLessThan(10)
  await world.run(reading)
  expect(texts).toEqual(Array.from({ length: 60 }, (_, number) => String(number)))
})
