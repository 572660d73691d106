import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeTempHome } from '../../../test/support/temp-home.ts'
import { until } from '../../../test/support/until.ts'
import { introduce, type LocalDaemon, startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const homes = [makeTempHome(), makeTempHome()] as const
let alice: LocalDaemon
let bob: LocalDaemon
beforeAll(async () => {
  alice = await startLocalDaemon(homes[0].path)
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

describe('why, status and consumer', () => {
  it('tell of a message that is stored and waits for a program, of the program that reads it, and of the end', async () => {
    const sent = await alice.parley(['send', 'bob', 'hello', '--channel', 'chat', '--wait', 'stored'])
    expect(sent.code, sent.stderr).toBe(0)
    const id = sent.stdout.trim()
    const { stdout } = await alice.parley(['why', id])
    expect(stdout).toMatch(
      /^stored.*: the daemon of bob has it, and no program there has acknowledged it\nnext: .*chat/
    )
    expect(await jsonOf(alice, ['why', id])).toMatchObject({ subject: 'message', state: 'stored' })

    const status = (await bob.parley(['status'])).stdout
    expect(status).toMatch(/^outbox +empty$/m)
    expect(status).toMatch(/^inbox +1 message, 133 B, the oldest for .*, 1 of them on disk$/m)

    expect((await bob.parley(['listen', '--consumer', 'app', '--count', '1'])).stdout).toContain('hello')
    await until('bob to have handled it', async () => (await alice.parley(['why', id])).stdout.startsWith('handled'))
    expect((await bob.parley(['consumer', 'ls'])).stdout).toMatch(/^CONSUMER +CURSOR +LAG.*\napp +1 +0/)
    expect((await bob.parley(['status'])).stdout).toMatch(/^app +1 +0/m)
    expect(await jsonOf(bob, ['status'])).toMatchObject({ consumers: [{ consumer: 'app', cursor: 1, lag: 0 }] })
  })

  it('move and forget a consumer', async () => {
    await alice.parley(['send', 'bob', 'again', '--wait', 'stored'])
    const sought = await bob.parley(['consumer', 'seek', 'app', 'now'])
    expect(sought.stdout).toMatch(/^app +\d+ +0/m)
    expect((await bob.parley(['consumer', 'seek', 'app', 'never'])).code).toBe(1)
    expect((await bob.parley(['consumer', 'rm', 'app'])).code).toBe(0)
    expect(await jsonOf(bob, ['consumer', 'ls'])).toEqual({ consumers: [] })
    expect((await bob.parley(['consumer', 'rm', 'app'])).stderr).toMatch(/no such consumer|no consumer/i)
  })

  it('tell of a peer in session, and of one that has gone with a message waiting for it', async () => {
    expect((await alice.parley(['why', 'bob'])).stdout).toMatch(/^established since .*: bob is in session\nnext: /)
    expect((await alice.parley(['why', 'nobody'])).stderr).toContain('No contact')
    await bob[Symbol.asyncDispose]()
    await until('bob to be gone', async () => !(await alice.parley(['why', 'bob'])).stdout.startsWith('established'))
    const { stdout } = await alice.parley(['send', 'bob', 'for later'])
    const why = await jsonOf(alice, ['why', stdout.trim()])
    expect(why).toMatchObject({ subject: 'message', state: 'accepted' })
    expect(why['cause']).toContain('bob')
    expect((await alice.parley(['status'])).stdout).toMatch(/^outbox +1 message, 9 B, the oldest for /m)
    expect((await alice.parley(['peer', 'ls'])).stdout).toMatch(/^bob +.* 1 /m)
    bob = await startLocalDaemon(homes[1].path)
  })
})
