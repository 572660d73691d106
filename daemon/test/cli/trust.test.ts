import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { makeTempHome } from '../../../test/support/temp-home.ts'
import { until } from '../../../test/support/until.ts'
import { introduce, type LocalDaemon, startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 })

const homes = [makeTempHome(), makeTempHome()] as const
let alice: LocalDaemon
let bob: LocalDaemon
beforeAll(async () => {
  alice = await startLocalDaemon(homes[0].path, { 'trust.succession': 'ask' })
  bob = await startLocalDaemon(homes[1].path)
  await introduce(alice, bob)
})
afterAll(async () => {
  await alice[Symbol.asyncDispose]()
  await bob[Symbol.asyncDispose]()
  for (const home of homes) home.remove()
})

const jsonOf = async (daemon: LocalDaemon, args: readonly string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await daemon.parley([...args, '--json'])).stdout)

it('the owner takes a contact as verified by its fingerprint, and takes that back', async () => {
  const { fingerprint } = await jsonOf(bob, ['identity', 'show'])
  const wrong = await alice.parley(['peer', 'trust', 'bob', '--fingerprint', 'f'.repeat(64)])
  expect(wrong.code).toBe(1)
  expect(await jsonOf(alice, ['peer', 'trust', 'bob', '--fingerprint', String(fingerprint)])).toMatchObject({
    trust: 'verified',
    verified: { how: 'owner' }
  })
  expect((await alice.parley(['peer', 'show', 'bob'])).stdout).toMatch(/^trust +verified by owner \(\d{4}-/m)
  expect(await jsonOf(alice, ['peer', 'trust', 'bob', '--off'])).toMatchObject({ trust: 'known' })
})

it('a rotated key stops who wants to be asked, says why, and goes on once it is accepted', async () => {
  const former = String((await jsonOf(bob, ['identity', 'show']))['fingerprint'])
  const { stdout, stderr } = await bob.parley(['identity', 'rotate'])
  const fingerprint = stdout.trim()
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/)
  expect(stderr).toContain('1st time')
  expect(await jsonOf(bob, ['identity', 'show'])).toMatchObject({ fingerprint, lineage: former, rotations: 1 })
  await until('bob to be changed', async () => (await jsonOf(alice, ['peer', 'show', 'bob']))['trust'] === 'changed')
  const shown = (await alice.parley(['peer', 'show', 'bob'])).stdout
  expect(shown).toMatch(/^trust +changed: it has a new key/m)
  expect(shown).toContain(fingerprint)
  expect((await alice.parley(['why', 'bob'])).stdout).toMatch(/^changed.*another key.*\nnext: .*accept-key bob/)
  expect((await alice.parley(['status'])).stdout).toContain('peer bob is degraded: bob shows the key')
  const refused = await alice.parley(['send', 'bob', 'hello'])
  expect(refused.code).toBe(4)
  expect(refused.stderr).toContain('accept-key')
  expect((await alice.parley(['peer', 'accept-key', 'bob'])).code).toBe(1)
  expect((await alice.parley(['peer', 'accept-key', 'bob', '--queue', 'keep'])).code).toBe(1)
  expect((await alice.parley(['peer', 'accept-key', 'bob', '0'.repeat(64)])).code).toBe(1)
  expect(await jsonOf(alice, ['peer', 'accept-key', 'bob', fingerprint])).toMatchObject({
    held: 0,
    peer: { trust: 'known', fingerprint }
  })
  const sent = await alice.parley(['send', 'bob', 'hello', '--wait', 'stored', '--timeout', '20s'])
  expect(sent.code, sent.stderr).toBe(0)
  const { stdout: log } = await alice.parley(['audit'])
  for (const action of ['peer.trust', 'peer.changed', 'peer.accept-key']) expect(log).toContain(action)
  expect((await bob.parley(['audit'])).stdout).toContain('identity.rotated')
})

it('the card is shown to a camera', async () => {
  const { stdout } = await alice.parley(['card', '--qr'])
  expect(stdout).toMatch(/^parley:card:/)
  expect(stdout).toContain('█')
})
