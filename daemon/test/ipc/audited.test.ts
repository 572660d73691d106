import { afterEach, beforeEach, expect, it } from 'vitest'
import { memorySide } from './app-ends.ts'
import { makeRig, type Rig, type RpcClient, webSocketClient } from './rig.ts'

let rig: Rig
let client: RpcClient

beforeEach(async () => {
  rig = await makeRig(memorySide)
  client = await webSocketClient(rig, 'json')
})
afterEach(() => rig[Symbol.asyncDispose]())

const CHANGES: readonly (readonly [string, object])[] = [
  ['peers.add', { card: 'parley:card:x' }],
  ['peers.update', { peer: 'bob', addresses: ['/ip4/1.2.3.4/tcp/1'] }],
  ['peers.rename', { peer: 'bob', name: 'robert' }],
  ['peers.block', { peer: 'bob' }],
  ['peers.trust', { peer: 'bob', trust: 'verified' }],
  ['peers.accept-key', { peer: 'bob', fingerprint: 'f'.repeat(64) }],
  ['identity.rotate', {}],
  ['peers.remove', { peer: 'bob' }]
]

it.each(CHANGES)('%s is logged, with who asked', async (method, params) => {
  expect((await client.call(method, params)).error).toBe(undefined)
  const { entries } = await rig.audit.list(0, 10)
  expect(entries).toHaveLength(1)
  expect(entries[0]).toMatchObject({ index: 1, by: 'local', detail: { app: expect.any(String) } })
})

it.each(CHANGES)('%s changes nothing where it cannot be logged', async (method, params) => {
  const before = JSON.stringify(rig.peers.list())
  rig.audit.storeLost()
  const { error } = await client.call(method, params)
  expect(error?.data['code']).toBe('STORE_UNAVAILABLE')
  expect(JSON.stringify(rig.peers.list())).toBe(before)
})

it('a peer that is not there leaves no entry, and a change that fails leaves two', async () => {
  await client.call('peers.block', { peer: 'nobody' })
  expect((await rig.audit.list(0, 10)).entries).toEqual([])
  rig.peers.block = async () => Promise.reject(new Error('a bug'))
  await client.call('peers.block', { peer: 'bob' })
  const { entries } = await rig.audit.list(0, 10)
  expect(entries.map(({ action, detail }) => [action, detail['failed']])).toEqual([
    ['peer.blocked', undefined],
    ['peer.blocked', 'INTERNAL']
  ])
})

it('a stop happens also where it cannot be logged', async () => {
  rig.audit.storeLost()
  expect((await client.call('node.shutdown', {})).error).toBe(undefined)
  expect(rig.isShutDown()).toBe(true)
})
