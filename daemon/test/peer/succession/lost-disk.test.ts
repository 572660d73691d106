import { expect, it } from 'vitest'
import { Town } from '../town.ts'

it('a key that cannot be written down is not followed until it can be', async () => {
  const town = new Town('follow without a disk')
  const [alice, bob] = await town.pair()
  await bob.kill()
  await town.run(bob.rotate())
  alice.breakDisk(true)
  await town.run(bob.start())
  await town.until(() => (alice.counters.all()['FAILED'] ?? 0) > 0)
  expect(alice.manager.get('bob').fingerprint).not.toBe(Buffer.from(bob.keyring.fingerprint).toString('hex'))
  expect(alice.state('bob')).not.toBe('established')
  alice.breakDisk(false)
  await town.until(() => alice.state('bob') === 'established', 600_000)
  expect(alice.manager.get('bob').fingerprint).toBe(Buffer.from(bob.keyring.fingerprint).toString('hex'))
  expect(alice.failures).toEqual([])
})

it('a killed daemon has followed the key or not, and comes back either way', async () => {
  for (let steps = 0; steps < 12; steps++) {
    const town = new Town(`killed while it follows ${steps}`)
    const [alice, bob] = await town.pair()
    await bob.kill()
    await town.run(bob.rotate())
    await town.run(bob.start())
    await town.clock.advance(steps * 100)
    await alice.kill()
    await town.run(alice.start())
    await town.until(() => alice.state('bob') === 'established', 600_000)
    expect(alice.manager.get('bob').fingerprint).toBe(Buffer.from(bob.keyring.fingerprint).toString('hex'))
    expect(alice.counters.all()).not.toHaveProperty('AUTHENTICATION_FAILED')
  }
})
