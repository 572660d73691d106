import { describe, expect, it } from 'vitest'
import { type Heard, type House, Town } from './town.ts'

const numbered = (from: number, to: number, word = 'm') =>
  Array.from({ length: to - from + 1 }, (_, n) => `${word}${from + n}`)

const kinds = ({ events }: House) => events.map(({ kind }) => kind)

/** What is sent while the network and the daemons have a hard time, and what is heard of it. */
async function traffic(
  town: Town,
  [alice, bob]: readonly [House, House],
  trouble: readonly (() => unknown)[],
  heard: Heard = bob.listen()
): Promise<void> {
  const sent: string[] = []
  const sends: Promise<unknown>[] = []
  for (const [round, strike] of trouble.entries()) {
    for (let n = 0; n < 10; n++) {
      const texts = numbered(1, 3, `${round}.${n}.`)
      sent.push(...texts)
      sends.push(alice.post('bob', texts))
      await town.clock.advance(1)
    }
    await strike()
    if (round % 2 === 0) await town.clock.advance(50)
  }
  await town.until(() => heard.count >= sent.length, 300_000, 50)
  await town.clock.advance(1_000)
  await Promise.all(sends)
  expect(heard.texts()).toEqual(sent)
}

describe('a durable message', () => {
  it('to a peer that is away arrives after it has come', async () => {
    const town = new Town('away')
    const [alice, bob] = await town.pair()
    await bob.kill()
    await town.until(() => alice.state('bob') !== 'established')
    const ids = await town.run(alice.post('bob', ['one', 'two']))
    await town.clock.advance(60_000)
    expect(alice.states(ids)).toEqual(['accepted', 'accepted'])
    await bob.start()
    const heard = bob.listen()
    await town.until(() => heard.count === 2, 400_000, 100)
    expect(heard.texts()).toEqual(['one', 'two'])
  })

  it('goes from accepted to handled, each step told once', async () => {
    const town = new Town('states')
    const [alice, bob] = await town.pair()
    const ids = await town.run(alice.post('bob', ['one', 'two', 'three']))
    await town.until(() => alice.states(ids).every(state => state === 'stored'))
    bob.listen()
    await town.until(() => alice.states(ids).every(state => state === 'handled'))
    const told = alice.events.flatMap(event =>
      event.kind === 'message.state' ? [`${event.state} ${event.count}`] : []
    )
    expect(told).toEqual(['sent 3', 'stored 3', 'handled 3'])
  })

  it('has one ID on both sides', async () => {
    const town = new Town('ids')
    const [alice, bob] = await town.pair()
    const heard = bob.listen()
    const [range] = await town.run(alice.post('bob', ['one']))
    await town.until(() => heard.count === 1)
    expect(heard.runs[0]?.id).toBe(range?.first)
  })

  it('is stored by what the next hello says, where its receipt was lost', async () => {
    const town = new Town('marks')
    const [alice, bob] = await town.pair()
    const ids = await town.run(alice.post('bob', ['one']))
    await town.until(() => bob.inbox.info().durableMessages === 1)
    town.network.cut(alice.keyring.nodeId, bob.keyring.nodeId, { silent: true })
    await town.clock.advance(40_000)
    town.network.heal(alice.keyring.nodeId, bob.keyring.nodeId)
    await town.until(() => alice.states(ids)[0] === 'stored', 400_000, 100)
    expect(bob.inbox.info().durableMessages).toBe(1)
  })

  it('waits for a peer of an older minor version, and what is not durable passes', async () => {
    const town = new Town('older')
    const [alice, bob] = await town.pair()
    await bob.kill()
    bob.features = []
    await bob.start()
    await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established', 400_000, 100)
    const heard = bob.listen()
    const ids = await town.run(alice.post('bob', ['later']))
    await town.run(alice.send('bob', [new TextEncoder().encode('now')]))
    const asked = alice.requests.send(
      { contact: alice.manager.resolve('bob'), name: 'sum', body: new Uint8Array(1), timeoutMs: 5_000 },
      new AbortController().signal
    )
    await expect(town.run(asked)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
    await town.clock.advance(10_000)
    expect([heard.texts(), alice.states(ids), alice.state('bob')]).toEqual([['now'], ['accepted'], 'established'])
    await bob.kill()
    bob.features = ['durable', 'requests']
    await bob.start()
    const after = bob.listen()
    await town.until(() => after.texts().includes('later'), 400_000, 100)
  })
})

describe('durable messages arrive in order and once', () => {
  it.each(['a', 'b', 'c'])('over cuts (seed %s)', async seed => {
    const town = new Town(`cuts ${seed}`)
    const pair = await town.pair()
    const [alice, bob] = pair
    const [a, b] = [alice.keyring.nodeId, bob.keyring.nodeId]
    const cut = async () => {
      town.network.cut(a, b)
      await town.clock.advance(500)
      town.network.heal(a, b)
    }
    await traffic(town, pair, [cut, cut, cut, cut])
  })

  it('over silent cuts', async () => {
    const town = new Town('silent cuts')
    const pair = await town.pair()
    const [alice, bob] = pair
    const [a, b] = [alice.keyring.nodeId, bob.keyring.nodeId]
    const cut = async () => {
      town.network.cut(a, b, { silent: true })
      await town.clock.advance(35_000)
      town.network.heal(a, b)
    }
    await traffic(town, pair, [cut, cut, cut])
  })

  it.each(['a', 'b'])('over restarts of the receiver (seed %s)', async seed => {
    const town = new Town(`receiver ${seed}`)
    const pair = await town.pair()
    const [, bob] = pair
    const heard = bob.listen()
    const again = async () => {
      await bob.kill()
      await town.clock.advance(300)
      await bob.start()
      bob.listen('c', heard)
    }
    await traffic(town, pair, [again, again, again], heard)
  })

  it.each(['a', 'b'])('over restarts of the sender, once they were accepted (seed %s)', async seed => {
    const town = new Town(`sender ${seed}`)
    const pair = await town.pair()
    const [alice, bob] = pair
    const heard = bob.listen()
    const sent: string[] = []
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 10; n++) {
        const texts = numbered(1, 3, `${round}.${n}.`)
        await town.run(alice.post('bob', texts))
        sent.push(...texts)
      }
      await alice.kill()
      await town.clock.advance(300)
      await alice.start()
    }
    await town.until(() => heard.count >= sent.length, 300_000, 50)
    expect(heard.texts()).toEqual(sent)
  })

  it.each(['a', 'b', 'c'])('over rekeys under load (seed %s)', async seed => {
    const town = new Town(`rekeys ${seed}`)
    const pair = await town.pair({ limits: { rekeyAfterWraps: 16, sessionWrapsMax: 200 } })
    const [alice, bob] = pair
    const back = alice.listen('back')
    const replies = async () => {
      await town.run(bob.post('alice', ['reply'], 'back'))
      await town.clock.advance(1_200)
    }
    await traffic(
      town,
      pair,
      Array.from({ length: 12 }, () => replies)
    )
    await town.until(() => back.count === 12)
    expect(alice.counters.get('rekeys')).toBeGreaterThan(2)
    expect([...kinds(alice), ...kinds(bob)]).not.toContain('peer.lost-state')
  })

  it.each(['a', 'b', 'c', 'd'])('over crossed dials (seed %s)', async seed => {
    const town = new Town(`crossed ${seed}`)
    const pair = await town.pair()
    const [alice, bob] = pair
    const [a, b] = [alice.keyring.nodeId, bob.keyring.nodeId]
    const cut = async () => {
      town.network.cut(a, b)
      await town.clock.advance(200)
      town.network.heal(a, b)
      for (const house of pair) house.running?.actor.tell({ type: 'addresses-changed' }, 'control')
    }
    await traffic(town, pair, [cut, cut, cut, cut])
    expect(alice.counters.get('glares') + bob.counters.get('glares')).toBeGreaterThan(0)
    expect([...kinds(alice), ...kinds(bob)]).not.toContain('store.rolled-back')
  })
})
