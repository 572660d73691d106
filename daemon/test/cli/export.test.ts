import { chmodSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { parley } from './fake-host.ts'
import { introduce, startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let home: TempHome
beforeEach(() => {
  home = makeTempHome()
})
afterEach(() => home.remove())

const here = (args: readonly string[]) => parley(['--home', home.path, ...args], { env: {} })

/** A home whose daemon has stopped, with a contact. */
async function makeHome(): Promise<void> {
  using other = makeTempHome()
  await using bob = await startLocalDaemon(other.path, { 'node.id': 'bob' })
  const alice = await startLocalDaemon(home.path)
  await introduce(alice, bob)
  alice.terminate()
  await alice.exited
}

const peersIn = (lines: string) =>
  lines
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(({ sublevel }) => sublevel === 'peers')

describe('export', () => {
  it('is refused while the daemon runs, and where there is no store', async () => {
    const nothing = await here(['export', '--json'])
    expect([nothing.code, JSON.parse(nothing.stderr).error.code]).toEqual([1, 'NOT_INITIALIZED'])
    await using _daemon = await startLocalDaemon(home.path)
    const { code, stdout, stderr } = await here(['export', '--json'])
    expect([code, stdout, JSON.parse(stderr).error.code]).toEqual([1, '', 'ALREADY_RUNNING'])
  })

  it('prints one record a line, or writes them to a new file for its owner alone', async () => {
    await makeHome()
    const { code, stdout, stderr } = await here(['export'])
    expect(code).toBe(0)
    expect(peersIn(stdout)).toMatchObject([{ id: 'bob', card: expect.stringMatching(/^parley:card:/) }])
    expect(stderr).toMatch(/^\d+ lines, 0 of them messages\n$/)
    const file = home.file('out.jsonl')
    const written = await here(['export', '--to', file, '--json'])
    expect(JSON.parse(written.stdout)).toMatchObject({ messages: 0, damaged: {}, repaired: false })
    expect(readFileSync(file, 'utf8')).toBe(stdout)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect((await here(['export', '--to', file])).code).toBe(1)
    expect(readFileSync(file, 'utf8')).toBe(stdout)
  })

  it('is what is left where `up` says that the store is damaged', async () => {
    await makeHome()
    rmSync(home.file('state/store/CURRENT'))
    const up = await here(['up'])
    expect(up.code).toBe(2)
    expect(up.stderr).toContain('the database is damaged: CURRENT is gone')
    expect(up.stderr).toContain('`parley export` reads out what is left')
    expect(existsSync(home.file('parley.sock'))).toBe(false)
    const { code, stdout, stderr } = await here(['export'])
    expect(code).toBe(0)
    expect(peersIn(stdout)).toMatchObject([{ id: 'bob' }])
    expect(stderr).toContain('the database was damaged')
  })
})

describe('the keyring', () => {
  it('is asked for by name where it is gone, and by its mode where others may read it', async () => {
    await makeHome()
    chmodSync(home.file('state/keyring'), 0o644)
    const open = await here(['up', '--json'])
    expect([open.code, JSON.parse(open.stderr.trimEnd().split('\n').at(-1) ?? '').error]).toMatchObject([
      9,
      { code: 'KEYRING_MODE', message: expect.stringContaining(`chmod 600`) }
    ])
    rmSync(home.file('state/keyring'))
    for (const command of ['up', 'export']) {
      const gone = await here([command, '--json'])
      expect([gone.code, JSON.parse(gone.stderr.trimEnd().split('\n').at(-1) ?? '').error.code]).toEqual([
        9,
        'KEYRING_MISSING'
      ])
    }
    expect(existsSync(home.file('state/keyring'))).toBe(false)
  })
})
