// A test of your own program on real daemons whose link is cut. Run it with Vitest: `npx vitest run testnet.test.ts`.
import { Testnet } from '@parley/daemon/testnet'
import { expect, it } from 'vitest'

it('goes on talking when the cable is back', { timeout: 60_000 }, async () => {
  await using net = await Testnet.start({ names: ['alice', 'bob'] })
  await using alice = await net.node('alice').connect()
  await using bob = await net.node('bob').connect()
  const received = bob.messages({ consumer: 'example' })

  await alice.send('bob', 'before', { durable: false })
  expect((await received.next()).value?.text()).toBe('before')

  net.cut('alice', 'bob')
  await expect(alice.send('bob', 'lost', { durable: false })).rejects.toMatchObject({ code: 'PEER_OFFLINE' })

  net.heal('alice', 'bob')
  await net.ready()
  await alice.send('bob', 'after', { durable: false })
  expect((await received.next()).value?.text()).toBe('after')
})
