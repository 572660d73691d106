import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { auditKeyOf } from '../../src/observe/audit/records.ts'
import { LevelStore } from '../../src/store/level.ts'
import type { CliResult } from './fake-host.ts'
import { introduce, type LocalDaemon, startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const MiB = 1_024 * 1_024

let homes: readonly TempHome[]
let alice: LocalDaemon
let bob: LocalDaemon

beforeEach(async () => {
  homes = [makeTempHome(), makeTempHome()]
  const limits = { 'limits.vaultBytesMax': String(4 * MiB) }
  ;[alice, bob] = (await Promise.all(homes.map(({ path }) => startLocalDaemon(path, limits)))) as [
    LocalDaemon,
    LocalDaemon
  ]
})

afterEach(async () => {
  await alice[Symbol.asyncDispose]()
  await bob[Symbol.asyncDispose]()
  for (const home of homes) home.remove()
})

const errorOf = ({ code, stderr }: CliResult) => [
  code,
  JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '').error.code
]

/** What a command of the vault gives, and to whom it belongs. */
async function useVault(daemon: LocalDaemon, args: readonly string[], stdin: string | Uint8Array) {
  const { code, stdout, stderr } = await daemon.parley([...args, '--json'], { stdin })
  expect(code, stderr).toBe(0)
  const { output, peer } = JSON.parse(stdout) as { output: string; peer?: { name: string } }
  return { output: new Uint8Array(Buffer.from(output, 'base64')), by: peer?.name }
}

describe('the vault', () => {
  it('encrypts for a contact and signs; the other side decrypts and verifies, and says who it was', async () => {
    await introduce(alice, bob)
    const report = Buffer.alloc(3 * MiB, 'a report of some length. ')
    for (const [make, take] of [
      [['encrypt', '--to', 'bob'], 'decrypt'],
      [['sign'], 'verify']
    ] as const) {
      const made = await useVault(alice, make, report)
      const taken = await useVault(bob, [take, '--from', 'alice'], made.output)
      expect(taken.by).toBe('alice')
      expect(Buffer.compare(taken.output, report)).toBe(0)
    }
    const { output } = await useVault(alice, ['sign'], 'short')
    const verified = await bob.parley(['verify', '--from', 'alice'], { stdin: output })
    expect(verified).toEqual({ code: 0, stdout: 'short', stderr: 'signed by alice\n' })
  })

  it('opens what it has sealed, with the same context alone', async () => {
    const { output } = await useVault(alice, ['seal', '--context', 'a'], 'a secret')
    expect(await alice.parley(['open', '--context', 'a'], { stdin: output })).toMatchObject({ stdout: 'a secret' })
    const other = await alice.parley(['open', '--json', '--context', 'b'], { stdin: output })
    expect(errorOf(other)).toEqual([4, 'AUTHENTICATION_FAILED'])
    expect(errorOf(await bob.parley(['open', '--json', '--context', 'a'], { stdin: output }))).toEqual([
      4,
      'AUTHENTICATION_FAILED'
    ])
  })

  it('refuses what it must', async () => {
    await introduce(alice, bob)
    const { output } = await useVault(bob, ['sign'], 'by bob')
    await alice.parley(['peer', 'block', 'bob'])
    const cases: readonly (readonly [readonly string[], string | Uint8Array, readonly [number, string]])[] = [
      [['sign'], 'parley/card/v1\0', [1, 'RESERVED_CONTENT']],
      [['sign'], 'UEC2', [1, 'RESERVED_CONTENT']],
      [['sign'], '', [1, 'INVALID_PARAMS']],
      [['seal'], new Uint8Array(4 * MiB + 1), [5, 'TOO_LARGE']],
      [['encrypt', '--to', 'carol'], 'x', [1, 'NO_SUCH_PEER']],
      [['encrypt', '--to', 'bob'], 'x', [4, 'BLOCKED']],
      [['verify', '--from', 'bob'], output, [4, 'BLOCKED']],
      [['verify'], output, [1, 'USAGE']],
      [['open'], 'not a cell at all', [1, 'INVALID_MESSAGE']]
    ]
    for (const [args, stdin, expected] of cases) {
      expect(errorOf(await alice.parley([...args, '--json'], { stdin })), args.join(' ')).toEqual(expected)
    }
  })
})

describe('the audit log', () => {
  const lines = ({ stdout }: CliResult) =>
    stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)

  it('tells of contacts, of what failed, and of the stop, across a restart', async () => {
    await introduce(alice, bob)
    await alice.parley(['peer', 'rename', 'bob', 'robert'])
    await alice.parley(['peer', 'block', 'robert'])
    await alice.parley(['peer', 'block', 'robert', '--off'])
    expect((await alice.parley(['peer', 'rename', 'robert', ' '])).code).toBe(1)
    await alice.parley(['peer', 'rm', 'robert'])
    await alice.parley(['down'])
    await alice.exited
    alice = await startLocalDaemon(alice.home)

    const entries = lines(await alice.parley(['audit', '--json']))
    expect(entries.map(({ action }) => action)).toEqual([
      'peer.added',
      'peer.renamed',
      'peer.blocked',
      'peer.unblocked',
      'peer.renamed',
      'peer.renamed',
      'peer.removed',
      'node.shutdown'
    ])
    expect(entries[5]).toMatchObject({ by: 'local', detail: { failed: 'NAME_INVALID', app: 'parley' } })
    const verified = await alice.parley(['audit', 'verify', '--json'])
    expect(verified.code).toBe(0)
    expect(JSON.parse(verified.stdout)).toEqual({ ok: true, count: 8, head: expect.stringMatching(/^[0-9a-f]{64}$/) })
    const shown = await alice.parley(['audit'])
    expect(shown.stdout).toMatch(/^1 {2}\S+Z {2}peer\.added {2}[0-9a-f]{64} {2}by local {2}/)
    expect(shown.stderr).toMatch(/^8 entries; head [0-9a-f]{64}\n$/)
  })

  it('shows that its end was cut off while the daemon was down', async () => {
    await introduce(alice, bob)
    await alice.parley(['peer', 'block', 'bob'])
    await alice.parley(['peer', 'rm', 'bob'])
    alice.terminate()
    await alice.exited
    const store = new LevelStore(`${alice.loaded.paths.stateDir}/store`)
    await store.open()
    await store.batch([{ type: 'delete', sublevel: 'audit', key: auditKeyOf(3) }], { sync: true })
    await store.close()
    alice = await startLocalDaemon(alice.home)
    const verified = await alice.parley(['audit', 'verify', '--json'])
    expect(verified.code).toBe(4)
    expect(JSON.parse(verified.stdout)).toEqual({ ok: false, at: 3, problem: 'cut-off' })
    expect((await alice.parley(['audit', 'verify'])).stdout).toBe('entry 3 and what followed is gone\n')
  })
})
