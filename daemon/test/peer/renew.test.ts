import { expect, test } from 'vitest'
import { Town } from './town.ts'

test('a contact that is renewed has its session with the new node, under the same contact ID, and none with the former one', async () => {
  const town = new Town('renewed')
  const [alice, bob] = await town.pair()
  const carol = await town.house('carol')
  await carol.knows(alice)
  const directory = alice.running?.directory
  const before = directory?.resolve('bob')
  await town.run(
    directory?.renew(before?.contact ?? '', carol.card(), 'pairing', 1) ?? Promise.reject(new Error('down'))
  )
  await town.until(() => alice.state('bob') === 'established' && carol.state('alice') === 'established')
  await town.until(() => bob.state('alice') !== 'established')
  expect(directory?.resolve('bob')).toMatchObject({ contact: before?.contact, trust: 'verified' })
  expect(directory?.resolve('bob').card.nodeId).toBe(carol.keyring.nodeId)
})

test('nothing passes with a pending contact, in either direction', async () => {
  const town = new Town('pending')
  const alice = await town.house('alice')
  const bob = await town.house('bob')
  await town.run(alice.running?.directory.addPending(bob.card(), 'bob') ?? Promise.reject(new Error('down')))
  await bob.knows(alice)
  await town.clock.advance(5_000)
  expect([alice.state('bob'), bob.state('alice')]).toEqual(['offline', 'offline'])
  expect(() => alice.manager.recipient('bob')).toThrow(expect.objectContaining({ code: 'UNTRUSTED' }))
})
