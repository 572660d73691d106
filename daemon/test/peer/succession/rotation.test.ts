import { describe, expect, it } from 'vitest'
import { type House, Town } from '../town.ts'

const key = (house: House) => Buffer.from(house.keyring.fingerprint).toString('hex')

describe('a rotated key', () => {
  it('is followed by a contact in session at once, and nothing is lost meanwhile', async () => {
    const town = new Town('rotation in session')
    const [alice, bob] = await town.pair()
    const heard = alice.listen()
    await town.run(bob.post('alice', ['before']))
    const former = key(bob)
    await town.run(bob.rotate())
    expect(key(bob)).not.toBe(former)
    await town.run(bob.post('alice', ['after']))
    await town.until(() => alice.manager.get('bob').fingerprint === key(bob))
    await town.until(() => heard.count === 2)
    expect(heard.texts()).toEqual(['before', 'after'])
    expect(alice.events).toContainEqual(
      expect.objectContaining({ kind: 'peer.followed', fingerprint: key(bob), former })
    )
    await town.until(() => alice.manager.get('bob').cardSerial === 2)
    expect(alice.manager.get('bob')).toMatchObject({ trust: 'known', fingerprint: key(bob) })
    expect(alice.failures).toEqual([])
    await town.until(() => alice.state('bob') === 'established')
    await town.run(alice.post('bob', ['back']))
    const atBob = bob.listen()
    await town.until(() => atBob.count === 1)
  })

  it('is followed over three rotations while the contact was away, and by both sides at once', async () => {
    const town = new Town('rotations while away')
    const [alice, bob] = await town.pair()
    await town.run(alice.directory.verify(alice.manager.resolve('bob'), 'pairing', 5))
    await alice.kill()
    for (let count = 0; count < 3; count++) await town.run(bob.rotate())
    await bob.kill()
    await town.run(alice.start())
    await town.run(alice.post('bob', ['queued']))
    await town.run(alice.rotate())
    await town.run(bob.start())
    const heard = bob.listen()
    await town.until(() => heard.count === 1)
    expect(alice.manager.get('bob')).toMatchObject({
      trust: 'verified',
      fingerprint: key(bob),
      verified: { how: 'pairing', at: 5, inherited: {} }
    })
    expect(bob.manager.get('alice').fingerprint).toBe(key(alice))
    await town.until(() => alice.manager.get('bob').cardSerial === 4)
    await alice.kill()
    await town.run(alice.start())
    await town.until(() => alice.state('bob') === 'established')
    expect(alice.counters.all()).not.toHaveProperty('AUTHENTICATION_FAILED')
  })

  it('stops the contact where the owner wants to be asked, and goes on once it is accepted', async () => {
    const town = new Town('rotation to be asked about')
    const alice = await town.house('alice', { trust: { succession: 'ask' } })
    const bob = await town.house('bob')
    await alice.knows(bob)
    await bob.knows(alice)
    await town.until(() => alice.state('bob') === 'established')
    await town.run(bob.rotate())
    await town.until(() => alice.manager.get('bob').trust === 'changed')
    expect(alice.manager.get('bob').offered).toMatchObject({ reason: 'succession', fingerprint: key(bob) })
    await expect(alice.send('bob', [new Uint8Array(1)])).rejects.toMatchObject({ code: 'UNTRUSTED' })
    expect(() => alice.manager.recipient('bob')).toThrow()
    await town.run(alice.directory.acceptKey(alice.manager.resolve('bob'), bob.keyring.fingerprint))
    await town.until(() => alice.state('bob') === 'established')
    expect(alice.manager.get('bob')).toMatchObject({ trust: 'known', fingerprint: key(bob) })
  })
})
