import { describe, expect, it } from 'vitest'
import { codeOf } from '../identity/identities.ts'
import { digestOf, Town, textBody } from './town.ts'

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => textBody(`${prefix}${n}`))

describe('a session between two contacts', () => {
  it('comes up by itself and stays one, whoever dialled', async () => {
    const town = new Town('up')
    const [alice, bob] = await town.pair()
    await town.clock.advance(60_000)
    expect(alice.state('bob')).toBe('established')
    expect(bob.state('alice')).toBe('established')
    expect(town.network.connectionsOf(alice.keyring.nodeId)).toHaveLength(1)
  })

  it('carries messages both ways, in order, with the same IDs on both sides', async () => {
    const town = new Town('order')
    const [alice, bob] = await town.pair()
    const atBob = bob.listen()
    const atAlice = alice.listen()
    const bodies = [...numbered('m', 500), new Uint8Array(0), new Uint8Array(1024 * 1024).fill(7), textBody('last')]
    const sent = alice.send('bob', bodies)
    const answered = bob.send('alice', numbered('a', 3))
    await town.until(() => atBob.count === bodies.length && atAlice.count === 3)
    const { ids } = await sent
    await answered
    expect(atBob.digest()).toBe(digestOf(bodies))
    expect(atAlice.texts()).toEqual(['a0', 'a1', 'a2'])
    expect(ids.map(range => range.first)).toEqual(expect.arrayContaining([atBob.runs[0]?.id]))
    expect(ids.reduce((sum, range) => sum + range.count, 0)).toBe(bodies.length)
  })

  it('holds a message while no program listens, and gives it up when its time is over', async () => {
    const town = new Town('no listener')
    const [alice] = await town.pair()
    const waiting = codeOf(() => alice.send('bob', [textBody('x')], 'nobody', 2_000))
    await town.clock.advance(2_100)
    expect(await waiting).toBe('TIMED_OUT')
  })

  it('lets so much wait and no more, empty messages too, and takes more once there is room', async () => {
    const town = new Town('full queue')
    const [alice] = await town.pair({ limits: { contactQueueBytesMax: 65_536, messageBytesMax: 1_024 } })
    const send = (timeoutMs: number) =>
      codeOf(() =>
        alice.send(
          'bob',
          Array.from({ length: 100 }, () => new Uint8Array(0)),
          'nobody',
          timeoutMs
        )
      )
    const waiting = Array.from({ length: 5 }, () => send(2_000))
    expect(await send(2_000)).toBe('QUEUE_FULL')
    await town.clock.advance(2_100)
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 5 }, () => 'TIMED_OUT'))
    const next = send(100)
    await town.clock.advance(200)
    expect(await next).toBe('TIMED_OUT')
  })

  it('tells an unknown, a blocked and an absent peer, and one that has not added us, apart', async () => {
    const town = new Town('refusals')
    const alice = await town.house('alice')
    const bob = await town.house('bob')
    const carol = await town.house('carol')
    await alice.knows(bob)
    await alice.knows(carol)
    await carol.kill()
    await town.clock.advance(20_000)
    expect(await codeOf(() => alice.send('dave', [textBody('x')]))).toBe('NO_SUCH_PEER')
    const toBob = codeOf(() => alice.send('bob', [textBody('x')]))
    const toCarol = codeOf(() => alice.send('carol', [textBody('x')]))
    await town.clock.advance(6_000)
    expect(await toBob).toBe('NOT_ACCEPTED')
    expect(await toCarol).toBe('PEER_OFFLINE')
    await alice.manager.block('bob', true)
    expect(await codeOf(() => alice.send('bob', [textBody('x')]))).toBe('BLOCKED')
    expect(await codeOf(() => alice.send('carol', [new Uint8Array(1024 * 1024 + 1)]))).toBe('TOO_LARGE')
    expect(bob.refusals.some(({ reason, nodeId }) => reason === 'stranger' && nodeId === alice.keyring.nodeId)).toBe(
      true
    )
  })

  it('takes a peer that was in session and is gone for offline, and one that keeps hanging up for one that does not want us', async () => {
    const town = new Town('hung up')
    const [alice, bob] = await town.pair()
    await bob.manager.remove('alice')
    await town.until(() => alice.state('bob') !== 'established')
    const first = codeOf(() => alice.send('bob', [textBody('x')]))
    await town.clock.advance(2_000)
    expect(await first).toBe('PEER_OFFLINE')
    await town.clock.advance(20_000)
    const second = codeOf(() => alice.send('bob', [textBody('x')]))
    await town.clock.advance(6_000)
    expect(await second).toBe('NOT_ACCEPTED')
  })

  it('is one of at most as many as are allowed, whoever dials, and the next contact has its turn', async () => {
    const town = new Town('full')
    const names = ['bob', 'carol', 'dave']
    const alice = await town.house('alice', { limits: { sessionCountMax: 1 } })
    const others = await Promise.all(names.map(name => town.house(name)))
    for (const other of others) {
      await alice.knows(other)
      await other.knows(alice)
    }
    const up = () => names.filter(name => alice.state(name) === 'established')
    await town.until(() => up().length > 0)
    let most = 0
    for (let second = 0; second < 120; second++) {
      await town.clock.advance(1_000)
      most = Math.max(most, others.filter(other => other.state('alice') === 'established').length)
    }
    expect([most, up().length]).toEqual([1, 1])
    const [first] = up()
    await alice.manager.block(first as string, true)
    await town.until(() => up().length === 1 && up()[0] !== first, 600_000, 100)
  })

  it('ends for a contact that is blocked, and comes back when it is not', async () => {
    const town = new Town('block')
    const [alice, bob] = await town.pair()
    await alice.manager.block('bob', true)
    await town.until(() => bob.state('alice') !== 'established')
    await alice.manager.block('bob', false)
    await town.until(() => bob.state('alice') === 'established' && alice.state('bob') === 'established')
    await alice.manager.remove('bob')
    await town.until(() => bob.state('alice') !== 'established')
    expect(['BLOCKED', 'REMOVED', 'FAILED'].map(code => alice.counters.get(code))).toEqual([1, 1, 0])
  })

  it('comes back within 5 s of a peer that was killed and started again', async () => {
    const town = new Town('killed')
    const [alice, bob] = await town.pair()
    await bob.kill()
    await town.clock.advance(40_000)
    await bob.start()
    await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established', 5_000)
    const heard = bob.listen()
    const sent = alice.send('bob', [textBody('again')])
    await town.until(() => heard.count === 1)
    await sent
  })

  it('comes back after a silent cut, a restart and a heal', async () => {
    const town = new Town('silent')
    const [alice, bob] = await town.pair()
    town.network.cut(alice.keyring.nodeId, bob.keyring.nodeId, { silent: true })
    await town.clock.advance(3_000)
    await bob.kill()
    await bob.start()
    await town.clock.advance(1_000)
    town.network.heal()
    await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established', 5_000)
  })

  it('finds a silent peer dead within 30 s', async () => {
    const town = new Town('dead')
    const [alice, bob] = await town.pair()
    town.network.cut(alice.keyring.nodeId, bob.keyring.nodeId, { silent: true })
    await town.until(() => alice.state('bob') !== 'established', 41_000)
    expect(alice.counters.get('PEER_SILENT')).toBe(1)
    expect(alice.manager.get('bob').session.lastEnd?.code).toBeDefined()
    town.network.heal()
    await town.until(() => alice.state('bob') === 'established', 320_000, 100)
  })
})

describe('a session actor that fails', () => {
  it('starts again four times in a minute, then rests with a health entry, and harms nobody else', async () => {
    const town = new Town('quarantine')
    const [alice, bob] = await town.pair()
    const carol = await town.house('carol')
    await alice.knows(carol)
    await carol.knows(alice)
    await town.until(() => alice.state('carol') === 'established')
    // What no peer can cause: the inbox behind the session of bob is broken.
    alice.breakInbox(bob.keyring.id)
    for (let crash = 1; crash <= 5; crash++) {
      await town.until(() => bob.state('alice') === 'established' || alice.quarantined.length > 0, 60_000)
      if (alice.quarantined.length > 0) break
      const sending = codeOf(() => bob.send('alice', [textBody('x')], 'c', 1_000))
      await town.until(() => alice.failures.length === crash)
      await town.clock.advance(1_100)
      await sending
    }
    expect(alice.failures).toHaveLength(5)
    expect(alice.quarantined).toEqual(['peer bob'])
    await town.clock.advance(60_000)
    expect(alice.state('bob')).toBe('offline')
    expect(alice.state('carol')).toBe('established')
    const heard = carol.listen()
    const sent = alice.send('carol', [textBody('fine')])
    await town.until(() => heard.count === 1)
    await sent
  })
})

describe('a daemon that asks for verified contacts', () => {
  it('talks to none that is only known, and says why', async () => {
    const town = new Town('policy')
    const alice = await town.house('alice', { trust: { require: 'verified' } })
    const bob = await town.house('bob')
    await alice.knows(bob)
    await bob.knows(alice)
    await town.clock.advance(20_000)
    expect(await codeOf(() => alice.send('bob', [textBody('x')]))).toBe('UNTRUSTED')
    expect(alice.state('bob')).toBe('offline')
    expect(bob.manager.get('alice').session.lastEnd?.code).toBe('NOT_ACCEPTED')
  })
})

describe('limits that a peer announces', () => {
  it('hold for what is sent to it', async () => {
    const town = new Town('limits')
    const alice = await town.house('alice')
    const bob = await town.house('bob', {
      limits: { messageBytesMax: 65_536, frameBytesMax: 131_072, laneCountMax: 1 }
    })
    await alice.knows(bob)
    await bob.knows(alice)
    await town.until(() => alice.state('bob') === 'established' && bob.state('alice') === 'established')
    const heard = bob.listen()
    expect(await codeOf(() => town.run(alice.send('bob', [new Uint8Array(65_537)])))).toBe('TOO_LARGE')
    await town.run(alice.send('bob', [new Uint8Array(65_536), new Uint8Array(65_536)]))
    await town.until(() => heard.count === 2)
    expect(await codeOf(() => town.run(alice.send('bob', [textBody('x')], 'second')))).toBe('CHANNEL_LIMIT')
    expect(alice.state('bob')).toBe('established')
  })

  it('do not make two messages of a session share an ID', async () => {
    const town = new Town('ids')
    const [alice, bob] = await town.pair()
    bob.listen()
    alice.listen()
    const [there] = (await town.run(alice.send('bob', [textBody('x')]))).ids
    const [back] = (await town.run(bob.send('alice', [textBody('x')]))).ids
    expect(there?.first).not.toBe(back?.first)
  })
})
