import { ParleyError } from '@parley/client-sdk'
import { describe, expect, it } from 'vitest'
import { type Host, World } from './world.ts'

const NAMES = ['ann', 'ben', 'cy']

const SEED_COUNT = 12
const STEPS = 60

/** Texts heard by one app from one sender. */
type Heard = Map<string, number[]>

/** Starts an app that hears everything, on a consumer of its own. */
function hearAll(host: Host): { readonly heard: Heard; readonly done: Promise<void>; readonly stop: AbortController } {
  const heard: Heard = new Map()
  const stop = new AbortController()
  const listen = async () => {
    for await (const message of host.client.messages({ channel: 'sim', consumer: 'sim', signal: stop.signal })) {
      const numbers = heard.get(message.from) ?? []
      heard.set(message.from, numbers)
      numbers.push(Number(message.text()))
      await message.ack()
    }
  }
  const done = listen().catch(error => {
    if (!stop.signal.aborted) throw error
  })
  return { heard, done, stop }
}

describe('whole daemons with apps on a virtual clock', () => {
  it.each(Array.from({ length: SEED_COUNT }, (_, index) => `sim-${index}`))(
    'keep order, double nothing and come back (seed %s)',
    async seed => {
      const world = await World.of(NAMES, seed)
      const ears = world.hosts.map(hearAll)
      const next = new Map<string, number>()
      const outcomes: Promise<unknown>[] = []
      const refused = new Map<string, number>()
      for (let step = 0; step < STEPS; step++) {
        const from = world.hosts[world.pick(3)] as Host
        const to = world.hosts[(world.hosts.indexOf(from) + 1 + world.pick(2)) % 3] as Host
        const what = world.pick(20)
        if (what < 14) {
          const lane = `${from.name} ${to.name}`
          const number = next.get(lane) ?? 0
          next.set(lane, number + 1)
          const sending = from.client.send(to.name, String(number), {
            channel: 'sim',
            durable: false,
            timeoutMs: 5_000
          })
          outcomes.push(
            sending.catch(error => {
              if (!(error instanceof ParleyError)) throw error
              refused.set(error.code, (refused.get(error.code) ?? 0) + 1)
            })
          )
        } else if (what === 14) world.network.cut(from.keyring.nodeId, to.keyring.nodeId)
        else if (what === 15) world.network.cut(from.keyring.nodeId, to.keyring.nodeId, { silent: true })
        else if (what < 18) world.network.heal()
        else if (what === 18) world.network.delay(from.keyring.nodeId, to.keyring.nodeId, 1 + world.pick(200))
        else {
          from.kill()
          await world.clock.advance(world.pick(3_000))
          await world.run(from.start())
        }
        await world.clock.advance(world.pick(1_500))
      }
      world.network.heal()
      await world.run(Promise.all(outcomes))
      await world.inSession()
      for (const { heard } of ears) {
        for (const numbers of heard.values()) expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
      }
      // After all of it every two hosts talk, both ways.
      for (const from of world.hosts) {
        for (const to of world.hosts) {
          if (to !== from)
            await world.run(from.client.send(to.name, '1000000', { channel: 'sim', durable: false, timeoutMs: 60_000 }))
        }
      }
      await world.until(() =>
        ears.every(({ heard }) => [...heard.values()].filter(numbers => numbers.at(-1) === 1_000_000).length === 2)
      )
      for (const { stop } of ears) stop.abort()
      await Promise.all(ears.map(({ done }) => done))
    }
  )

  it('keep contacts, keys, node IDs and addresses over a crash', async () => {
    const world = await World.of(['ann', 'ben'], 'kept')
    const [ann] = world.hosts
    const before = ann?.node.status().peers.map(({ session: _, ...peer }) => peer)
    ann?.kill()
    await world.run(ann?.start() ?? Promise.resolve())
    expect(ann?.node.status().peers.map(({ session: _, ...peer }) => peer)).toEqual(before)
    expect(before).toHaveLength(1)
    await world.inSession()
  })

  it('count how long they are up by a clock that nobody sets', async () => {
    const world = await World.of(['ann', 'ben'], 'uptime')
    const uptimeMs = () => world.hosts[0]?.node.status().uptimeMs ?? 0
    const before = uptimeMs()
    world.clock.stepWall(-3_600_000)
    await world.clock.advance(1_000)
    expect(uptimeMs()).toBe(before + 1_000)
  })
})
