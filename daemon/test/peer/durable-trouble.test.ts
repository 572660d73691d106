import type { IdRange } from '@parley/client-sdk/contract'
import { describe, expect, it } from 'vitest'
import { type House, Town } from './town.ts'

const numbered = (from: number, to: number, word = 'm') =>
  Array.from({ length: to - from + 1 }, (_, n) => `${word}${from + n}`)

const kinds = ({ events }: House) => events.map(({ kind }) => kind)

const established = ([alice, bob]: readonly [House, House]) =>
  alice.state('bob') === 'established' && bob.state('alice') === 'established'

describe('a store that was restored from a copy', () => {
  it('at the sender is recognised: a new epoch, and nothing new is lost', async () => {
    const town = new Town('restored sender')
    const [alice, bob] = await town.pair()
    const heard = bob.listen()
    await town.run(alice.post('bob', numbered(1, 5)))
    await town.until(() => heard.count === 5)
    await town.clock.advance(5_000)
    const copy = alice.disk.copy()
    await town.run(alice.post('bob', numbered(6, 10)))
    await town.until(() => heard.count === 10)
    await alice.kill()
    alice.disk = copy
    await alice.start()
    const ids = await town.run(alice.post('bob', numbered(11, 15)))
    await town.until(() => heard.texts().includes('m15'), 400_000, 100)
    expect(heard.texts()).toEqual(numbered(1, 15))
    await town.until(() => alice.states(ids).every(state => state === 'handled'))
    expect(kinds(alice).filter(kind => kind === 'store.rolled-back')).toHaveLength(1)
    expect(heard.runs.at(-1)?.maybeDuplicate).toBe(true)
  })

  it('at the sender is recognised where it has sent as much anew as was lost', async () => {
    const town = new Town('restored and busy')
    const [alice, bob] = await town.pair()
    const heard = bob.listen()
    await town.run(alice.post('bob', ['one']))
    await town.until(() => heard.count === 1)
    await town.clock.advance(5_000)
    const copy = alice.disk.copy()
    await town.run(alice.post('bob', ['lost two']))
    await town.until(() => heard.count === 2)
    await alice.kill()
    await bob.kill()
    alice.disk = copy
    await alice.start()
    await town.run(alice.post('bob', ['new two']))
    await bob.start()
    bob.listen('c', heard)
    await town.until(() => heard.texts().includes('new two'), 400_000, 100)
    expect(heard.texts()).toEqual(['one', 'lost two', 'new two'])
    expect(kinds(alice)).toContain('store.rolled-back')
  })

  it('at the receiver is recognised: the hole is told once, and what is new arrives', async () => {
    const town = new Town('restored receiver')
    const [alice, bob] = await town.pair()
    await town.run(alice.post('bob', numbered(1, 5)))
    await town.until(() => bob.inbox.info().durableMessages === 5)
    await town.clock.advance(5_000)
    const copy = bob.disk.copy()
    const lost = await town.run(alice.post('bob', numbered(6, 10)))
    await town.until(() => alice.states(lost).every(state => state === 'stored'))
    await bob.kill()
    bob.disk = copy
    await bob.start()
    const heard = bob.listen()
    await town.run(alice.post('bob', numbered(11, 15)))
    await town.until(() => heard.texts().includes('m15'), 400_000, 100)
    await town.clock.advance(5_000)
    expect(heard.texts()).toEqual([...numbered(1, 5), ...numbered(11, 15)])
    const told = alice.events.flatMap(event => (event.kind === 'peer.lost-state' ? [event] : []))
    expect(told.map(({ first, count }): IdRange => ({ first, count }))).toEqual(lost)
    expect(kinds(alice)).not.toContain('store.rolled-back')
  })
})

describe('a store that is lost', () => {
  it('at the receiver stops what is durable until it is back; what is not is taken, and given behind it', async () => {
    const town = new Town('lost at the receiver')
    const pair = await town.pair()
    const [alice, bob] = pair
    const heard = bob.listen()
    const live = bob.listen('live')
    await town.run(alice.post('bob', numbered(1, 5)))
    await town.until(() => heard.count === 5)
    bob.breakDisk(true)
    const ids = await town.run(alice.post('bob', numbered(6, 10)))
    await town.clock.advance(5_000)
    expect([heard.count, alice.states(ids)[0], alice.state('bob')]).toEqual([5, 'sent', 'established'])
    await town.run(alice.send('bob', [new TextEncoder().encode('not durable')], 'live'))
    bob.breakDisk(false)
    await town.until(() => alice.states(ids).every(state => state === 'handled'), 400_000, 100)
    // Its index is behind those of what the lost disk may hold.
    expect(live.count).toBe(1)
    expect(heard.texts()).toEqual(numbered(1, 10))
    expect(bob.counters.get('STORE_REOPENED')).toBeGreaterThan(0)
    expect([...kinds(alice), ...kinds(bob)]).not.toContain('peer.lost-state')
  })

  it('at the sender refuses what is sent, and what was accepted goes on when it is back', async () => {
    const town = new Town('lost at the sender')
    const pair = await town.pair()
    const [alice, bob] = pair
    const heard = bob.listen()
    await town.run(alice.post('bob', numbered(1, 5)))
    alice.breakDisk(true)
    await expect(town.run(alice.post('bob', ['refused']))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(town.run(alice.post('bob', ['refused too']))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    const live = bob.listen('live')
    await town.run(alice.send('bob', [new TextEncoder().encode('not durable')], 'live'))
    await town.until(() => live.count === 1)
    alice.breakDisk(false)
    await town.until(() => alice.counters.get('STORE_REOPENED') > 0, 400_000, 100)
    await town.until(() => established(pair), 400_000, 100)
    await town.run(alice.post('bob', numbered(6, 10)))
    await town.until(() => heard.count >= 10, 400_000, 100)
    expect(heard.texts()).toEqual(numbered(1, 10))
  })
})

describe('lanes that are stalled', () => {
  it('durable and not, leave live ones of the same contact alone', async () => {
    const town = new Town('stalled')
    const [alice, bob] = await town.pair({
      limits: { inboxLaneBytesMax: 2 * 1_024 * 1_024, inboxContactBytesMax: 4 * 1_024 * 1_024 }
    })
    const big = Array.from({ length: 6 }, () => 'x'.repeat(1_000_000))
    const stuck = await town.run(Promise.all(big.map(text => alice.post('bob', [text], 'stuck'))))
    const unread = alice.send('bob', [new Uint8Array(1_000)], 'unread', 60_000)
    const outcome = unread.then(
      () => 'sent',
      error => error.code
    )
    await town.clock.advance(2_000)
    const channels = Array.from({ length: 10 }, (_, n) => `live-${n}`)
    const ears = channels.map(channel => bob.listen(channel))
    for (let round = 0; round < 20; round++) {
      const beganMs = town.clock.monotonicMs()
      await Promise.all(channels.map(channel => alice.post('bob', [`${round}`], channel)))
      await town.until(() => ears.every(({ count }) => count === round + 1), 2_000, 1)
      expect(town.clock.monotonicMs() - beganMs).toBeLessThan(50)
    }
    expect(alice.states(stuck.flat()).at(-1)).toBe('accepted')
    await town.clock.advance(60_000)
    expect(await outcome).toBe('TIMED_OUT')
    const heard = bob.listen('stuck')
    await town.until(() => heard.count === big.length, 60_000, 100)
  })
})

describe('a contact', () => {
  it('that is blocked is sent nothing, and gets what waits when it is not', async () => {
    const town = new Town('blocked')
    const pair = await town.pair()
    const [alice, bob] = pair
    const heard = bob.listen()
    await alice.manager.block('bob', true)
    await town.until(() => bob.state('alice') !== 'established')
    await expect((async () => alice.post('bob', ['no']))()).rejects.toMatchObject({ code: 'BLOCKED' })
    await alice.manager.block('bob', false)
    await town.until(() => established(pair), 400_000, 100)
    await town.run(alice.post('bob', ['yes']))
    await town.until(() => heard.count === 1)
    expect(heard.texts()).toEqual(['yes'])
  })

  it('that is removed takes what waited for it along', async () => {
    const town = new Town('removed')
    const [alice, bob] = await town.pair()
    await bob.kill()
    await town.until(() => alice.state('bob') !== 'established')
    await town.run(alice.post('bob', ['never']))
    expect(alice.outbox.queue().messages).toBe(1)
    await town.run(alice.manager.remove('bob'))
    await town.until(() => alice.outbox.queue().messages === 0)
    await bob.start()
    await bob.manager.remove('alice')
    await alice.knows(bob)
    await bob.knows(alice)
    const heard = bob.listen()
    await town.run(alice.post('bob', ['anew']))
    await town.until(() => heard.count === 1, 400_000, 100)
    expect(heard.texts()).toEqual(['anew'])
  })
})
