import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { introduce, type LocalDaemon, startLocalDaemon } from './local-daemon.ts'

describe('parley compare', { timeout: 60_000 }, () => {
  let folder: string
  let alice: LocalDaemon
  let bob: LocalDaemon

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-compare-'))
    ;[alice, bob] = (await Promise.all(['alice', 'bob'].map(name => startLocalDaemon(join(folder, name))))) as [
      LocalDaemon,
      LocalDaemon
    ]
    await introduce(alice, bob)
  }, 60_000)

  afterAll(async () => {
    await Promise.all([alice, bob].map(daemon => daemon[Symbol.asyncDispose]()))
    await rm(folder, { recursive: true })
  })

  /** Resolves once the comparison of alice waits at bob's. */
  async function waiting(): Promise<string> {
    for (;;) {
      const { stdout } = await bob.parley(['status'])
      if (stdout.includes('alice waits for a comparison')) return stdout
    }
  }

  const compare = (daemon: LocalDaemon, peer: string, secret: string, ...more: string[]) =>
    daemon.parley(['compare', peer, '--secret-file', '-', ...more], { stdin: secret })

  it('tells both sides of a match, and exits with 0', async () => {
    const first = compare(alice, 'bob', 'caf\u00e9\n', '--question', 'Where did we meet?')
    expect(await waiting()).toContain('parley compare alice')
    const second = await compare(bob, 'alice', 'cafe\u0301')
    expect(second).toMatchObject({ code: 0, stdout: 'match: alice holds the same secret\n' })
    expect(second.stderr).toContain('alice asks: Where did we meet?')
    expect(await first).toMatchObject({ code: 0, stdout: 'match: bob holds the same secret\n' })
  })

  it('tells both sides of no match, and exits with 4', async () => {
    const file = join(folder, 'secret')
    await writeFile(file, 'the red fox\n')
    const first = alice.parley(['compare', 'bob', '--secret-file', file, '--json'])
    await waiting()
    expect(await compare(bob, 'alice', 'the red fob')).toMatchObject({
      code: 4,
      stdout: expect.stringContaining('no match')
    })
    const { code, stdout } = await first
    expect(code).toBe(4)
    expect(JSON.parse(stdout)).toMatchObject({ peer: 'bob', verdict: 'no-match', verified: false })
  })

  it('works where both sides start at the same time', async () => {
    const both = await Promise.all([compare(alice, 'bob', 'same'), compare(bob, 'alice', 'same')])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
  })

  it('says with 6 that nobody answered, and with 1 that there is no secret', async () => {
    expect(await compare(alice, 'bob', 'x', '--timeout', '200ms')).toMatchObject({ code: 6 })
    expect(await compare(alice, 'bob', '\n')).toMatchObject({ code: 1 })
    expect(await compare(alice, 'nobody', 'x')).toMatchObject({ code: 1 })
    expect(await compare(alice, 'bob', 'x', '--question', 'x'.repeat(201))).toMatchObject({ code: 1 })
  })

  it('refuses the sixth wrong try with 5, on either side', async () => {
    // One was wrong already.
    for (let each = 0; each < 4; each++) {
      const first = compare(alice, 'bob', 'right')
      await waiting()
      expect(await compare(bob, 'alice', `wrong ${each}`)).toMatchObject({ code: 4 })
      expect(await first).toMatchObject({ code: 4 })
    }
    expect(await compare(alice, 'bob', 'right')).toMatchObject({ code: 5 })
    expect(await compare(bob, 'alice', 'right')).toMatchObject({ code: 5 })
  })
})
