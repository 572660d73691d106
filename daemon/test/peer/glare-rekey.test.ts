import { describe, expect, it } from 'vitest'
import { type House, Town, textBody } from './town.ts'

/** Sends numbered messages one after the other, each when the one before is on the stream. Returns how many have been. */
function talk(town: Town, from: House, to: string, count: number): { readonly done: Promise<void>; sent: number } {
  const talk = { sent: 0, done: Promise.resolve() }
  talk.done = (async () => {
    for (let n = 0; n < count; n++) {
      await from.send(to, [textBody(String(n))], 'c', 60_000)
      talk.sent++
      // Time passes between them, so that a session lives through all of them.
      await new Promise<void>(resolve => town.clock.timer(2, resolve))
    }
  })()
  return talk
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n))

describe('glare', () => {
  it.each(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])(
    'leaves one session, loses nothing and doubles nothing (seed %s)',
    async seed => {
      const town = new Town(seed)
      const [alice, bob] = await town.pair()
      const heard = [alice.listen(), bob.listen()]
      let expected = 0
      for (let round = 0; round < 6; round++) {
        town.network.cut(alice.keyring.nodeId, bob.keyring.nodeId)
        await town.until(() => alice.state('bob') !== 'established' && bob.state('alice') !== 'established')
        town.network.heal()
        town.network.delay(alice.keyring.nodeId, bob.keyring.nodeId, 1 + ((round * 37) % 90))
        await town.clock.advance(1_100)
        for (const house of [alice, bob]) house.running?.actor.tell({ type: 'addresses-changed' }, 'control')
        const talks = [talk(town, alice, 'bob', 40), talk(town, bob, 'alice', 40)]
        expected += 40
        await town.until(() => talks.every(({ sent }) => sent === 40) && heard.every(({ count }) => count >= expected))
        await Promise.all(talks.map(({ done }) => done))
        await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established')
        await town.until(() => town.network.connectionsOf(alice.keyring.nodeId).length === 1)
      }
      for (const { runs, count } of heard) {
        expect(count).toBe(expected)
        const texts = runs.flatMap(run => run.bodies.map(body => Buffer.from(body).toString()))
        expect(texts).toEqual(Array.from({ length: 6 }, () => numbers(40)).flat())
      }
      expect(alice.counters.get('glares')).toBe(bob.counters.get('glares'))
      expect(alice.counters.get('glares')).toBeGreaterThan(0)
    }
  )
})

describe('a rekey', () => {
  it.each(['a', 'b', 'c', 'd'])('under load both ways loses, doubles and reorders nothing (seed %s)', async seed => {
    const town = new Town(seed)
    const [alice, bob] = await town.pair({ limits: { rekeyAfterWraps: 50, sessionWrapsMax: 100_000 } })
    town.network.delay(alice.keyring.nodeId, bob.keyring.nodeId, 7)
    const heard = [alice.listen(), bob.listen()]
    const talks = [talk(town, alice, 'bob', 3_000), talk(town, bob, 'alice', 3_000)]
    await town.until(() => heard.every(({ count }) => count >= 3_000), 600_000)
    await Promise.all(talks.map(({ done }) => done))
    for (const { runs } of heard) {
      expect(runs.flatMap(run => run.bodies.map(body => Buffer.from(body).toString()))).toEqual(numbers(3_000))
    }
    expect(alice.counters.get('rekeys')).toBeGreaterThan(3)
    await town.clock.advance(15_000)
    expect(town.network.connectionsOf(alice.keyring.nodeId)).toHaveLength(1)
    expect(alice.counters.get('CONNECTION_LOST') + bob.counters.get('CONNECTION_LOST')).toBe(0)
  })

  it('happens once an hour without traffic', async () => {
    const town = new Town('hour')
    const [alice, bob] = await town.pair()
    await town.clock.advance(3_600_000 * 3.5)
    expect(alice.counters.get('rekeys')).toBe(3)
    expect(bob.counters.get('rekeys')).toBe(3)
    expect(alice.state('bob')).toBe('established')
  })

  it('that cannot be made ends the session at its hard limit', async () => {
    const town = new Town('hard stop')
    const [alice, bob] = await town.pair()
    const opener = alice.manager.get('bob').session.openedBy === 'us' ? alice : bob
    const other = opener === alice ? bob : alice
    await opener.manager.update(other.name, ['/ip4/127.0.0.1/tcp/1'])
    await town.clock.advance(7_200_000 + 60_000)
    expect(opener.counters.get('SESSION_EXPIRED') + other.counters.get('SESSION_EXPIRED')).toBeGreaterThan(0)
  })
})
