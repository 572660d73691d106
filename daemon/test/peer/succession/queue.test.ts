import { describe, expect, it } from 'vitest'
import { formatCard } from '../../../src/identity/card.ts'
import { type House, Town } from '../town.ts'
import { mixedCard } from './lineage.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const key = (house: House) => hex(house.keyring.fingerprint)

/** Bob has rotated once and alice has followed; then somebody comes who has bob's keys from before. */
async function forked(seed: string, isOnWire = false) {
  const town = new Town(seed)
  const [alice, bob] = await town.pair()
  const thief = town.copyOf(bob)
  await town.run(bob.rotate())
  await town.until(() => alice.manager.get('bob').fingerprint === key(bob))
  await bob.kill()
  if (!isOnWire) await town.until(() => alice.state('bob') !== 'established')
  await town.run(alice.post('bob', ['for bob']))
  await town.run(thief.rotate())
  await town.run(thief.start())
  await thief.knows(alice)
  await town.until(() => alice.manager.get('bob').trust === 'changed')
  return { town, alice, bob, thief }
}

describe('a thief with the keys from before a rotation', () => {
  it('is a fork: the contact stops, once, and gets nothing', async () => {
    const { town, alice, thief } = await forked('thief')
    expect(alice.manager.get('bob').offered).toMatchObject({ reason: 'fork', fingerprint: key(thief) })
    expect(alice.counters.all()).toMatchObject({ FORK: 1 })
    await expect(alice.post('bob', ['more'])).rejects.toMatchObject({ code: 'UNTRUSTED' })
    await expect(alice.send('bob', [new Uint8Array(1)])).rejects.toMatchObject({ code: 'UNTRUSTED' })
    const before = alice.events.filter(({ kind }) => kind === 'peer.trust').length
    await town.clock.advance(120_000)
    expect(alice.events.filter(({ kind }) => kind === 'peer.trust')).toHaveLength(before)
    expect(alice.counters.all()).toMatchObject({ FORK: 1 })
    expect(alice.failures).toEqual([])
    expect(thief.failures).toEqual([])
  })

  it('stays stopped over a restart; with the known key accepted bob is back, and the thief is refused', async () => {
    const { town, alice, bob, thief } = await forked('thief and a restart')
    await alice.kill()
    await town.run(alice.start())
    expect(alice.manager.get('bob').trust).toBe('changed')
    await thief.kill()
    expect(await town.run(alice.manager.acceptKey('bob', { fingerprint: key(bob), queue: undefined }))).toMatchObject({
      held: 0
    })
    await town.run(bob.start())
    const heard = bob.listen()
    await town.until(() => heard.count === 1)
    expect(heard.texts()).toEqual(['for bob'])
    await bob.kill()
    await town.run(thief.start())
    await town.until(() => (alice.counters.all()['FORK'] ?? 0) > 0)
    expect(alice.manager.get('bob').trust).toBe('known')
    expect(alice.state('bob')).not.toBe('established')
  })

  it('whose key is accepted gets what was accepted for bob only when the owner says so', async () => {
    const { town, alice, thief } = await forked('the other side of a fork')
    const accepted = await town.run(alice.manager.acceptKey('bob', { fingerprint: key(thief), queue: undefined }))
    expect(accepted).toMatchObject({ held: 1, peer: { trust: 'known', fingerprint: key(thief) } })
    await town.until(() => alice.state('bob') === 'established')
    const heard = thief.listen()
    const [id] = await town.run(alice.post('bob', ['behind it']))
    await town.clock.advance(5_000)
    expect(heard.count).toBe(0)
    expect(alice.outbox.describe(id?.first ?? '')).toMatchObject({ state: 'accepted', waitsFor: 'key' })
    expect(await town.run(alice.manager.acceptKey('bob', { fingerprint: undefined, queue: 'send' }))).toMatchObject({
      held: 0
    })
    await town.until(() => heard.count === 2)
    expect(heard.texts()).toEqual(['for bob', 'behind it'])
  })

  it.each([
    ['waited', false, { state: 'cancelled' }],
    ['may have arrived', true, { state: 'expired', reached: 'maybe' }]
  ])('whose key is accepted never gets what the owner takes back and %s', async (_what, isOnWire, state) => {
    const { town, alice, thief } = await forked(`taken back ${isOnWire}`, isOnWire)
    const queued = alice.manager.get('bob').queue.messages
    expect(queued).toBe(1)
    const decided = alice.manager.acceptKey('bob', { fingerprint: key(thief), queue: 'cancel' })
    expect(await town.run(decided)).toMatchObject({ held: 0 })
    const heard = thief.listen()
    await town.run(alice.post('bob', ['for the new key']))
    await town.until(() => heard.count === 1)
    expect(heard.texts()).toEqual(['for the new key'])
    expect(alice.events).toContainEqual(expect.objectContaining({ kind: 'message.state', ...state }))
  })
})

describe('a card with another key', () => {
  it('that comes in the session of its contact stops it, and its own key brings it back', async () => {
    const town = new Town('a card with another key')
    const [alice, bob] = await town.pair()
    const stranger = await town.house('stranger')
    const card = mixedCard(stranger.keyring, bob.keyring, bob.keyring.id, 7)
    bob.says(card)
    await town.until(() => alice.manager.get('bob').trust === 'changed')
    await town.until(() => bob.state('alice') !== 'established')
    expect(alice.manager.get('bob')).toMatchObject({
      fingerprint: key(bob),
      offered: { reason: 'card', fingerprint: hex(card.fingerprint) }
    })
    await expect(alice.manager.add(formatCard(card), undefined)).rejects.toMatchObject({ code: 'CONTACT_EXISTS' })
    await expect(alice.manager.acceptKey('bob', { fingerprint: undefined, queue: 'send' })).rejects.toMatchObject({
      code: 'UNTRUSTED'
    })
    bob.says(undefined)
    await town.run(alice.manager.acceptKey('bob', { fingerprint: key(bob), queue: undefined }))
    await town.until(() => alice.state('bob') === 'established')
  })

  it('on a stream that fails its handshake stops nobody', async () => {
    const town = new Town('a failed handshake')
    const [alice, bob] = await town.pair()
    await bob.kill()
    const impostor = town.copyOf(bob)
    const stranger = (await town.house('stranger')).keyring
    await impostor.keys.replace(keyring => keyring.succeededBy(stranger.identityKey(), new Uint8Array(1)))
    impostor.shows([])
    await town.run(impostor.start())
    await impostor.knows(alice)
    await town.until(() => (alice.counters.all()['AUTHENTICATION_FAILED'] ?? 0) > 0)
    expect(alice.manager.get('bob')).toMatchObject({ trust: 'known', fingerprint: key(bob) })
  })
})

describe('chains that cannot be followed', () => {
  it('of somebody else, of an older key, or with too much missing, end the stream and are told', async () => {
    const town = new Town('codes')
    const alice = await town.house('alice')
    const bob = await town.house('bob')
    await alice.knows(bob)
    await bob.knows(alice)
    await town.until(() => alice.state('bob') === 'established')
    // An older key with the chain that led to it, once alice has followed one more.
    await town.run(bob.rotate())
    const older = town.copyOf(bob)
    await town.run(bob.rotate())
    await town.until(() => alice.manager.get('bob').fingerprint === key(bob))
    await bob.kill()
    await town.run(older.start())
    await older.knows(alice)
    await town.until(() => (alice.counters.all()['CHAIN_REPLAYED'] ?? 0) > 0)
    await town.until(() => alice.manager.get('bob').session.lastEnd?.code === 'CHAIN_REPLAYED')
    await older.kill()
    // Somebody else's chain from bob's node.
    const foreign = town.copyOf(bob)
    const stranger = await town.house('stranger')
    await town.run(stranger.rotate())
    foreign.shows(stranger.keyring.chain)
    await town.run(foreign.start())
    await foreign.knows(alice)
    await town.until(() => (alice.counters.all()['CHAIN_FOREIGN'] ?? 0) > 0)
    await foreign.kill()
    // More rotations than a prelude holds.
    for (let count = 0; count < 34; count++) await town.run(bob.rotate())
    await town.run(bob.start())
    await town.until(() => (alice.counters.all()['CHAIN_GAP'] ?? 0) > 0)
    expect(alice.manager.get('bob').trust).toBe('known')
    expect(alice.failures).toEqual([])
  })
})
