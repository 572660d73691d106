import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { parley } from './fake-host.ts'
import { introduce, startLocalDaemon } from './local-daemon.ts'

// Real daemons on a busy machine.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let home: TempHome
let files: TempHome
beforeEach(() => {
  home = makeTempHome()
  files = makeTempHome()
})
afterEach(() => {
  home.remove()
  files.remove()
})

const at = (place: TempHome, args: readonly string[], env: Record<string, string> = {}) =>
  parley(['--home', place.path, ...args], { env })
const here = (args: readonly string[], env: Record<string, string> = {}) => at(home, args, env)

/** A file with a passphrase, as its owner would write it. */
function secretFile(name: string, text: string, mode = 0o600): string {
  const path = files.file(name)
  writeFileSync(path, `${text}\n`)
  chmodSync(path, mode)
  return path
}

const errorOf = (result: { code: number; stderr: string }) => [
  result.code,
  JSON.parse(result.stderr.trimEnd().split('\n').at(-1) ?? '').error.code
]

describe('a keyring under a passphrase', () => {
  it('is made by init, and opened by a file, a variable, or the credential of a service', async () => {
    const file = secretFile('passphrase', 'correct horse')
    expect((await here(['init', '--id', 'ada', '--passphrase-file', file])).code).toBe(0)
    expect(existsSync(home.file('state/keyring.key'))).toBe(false)
    expect(errorOf(await here(['identity', 'show', '--json']))).toEqual([9, 'PASSPHRASE_REQUIRED'])
    const wrong = secretFile('wrong', 'incorrect horse')
    const before = readFileSync(home.file('state/keyring'))
    expect(errorOf(await here(['identity', 'show', '--json', '--passphrase-file', wrong]))).toEqual([
      9,
      'PASSPHRASE_WRONG'
    ])
    expect(readFileSync(home.file('state/keyring'))).toEqual(before)
    mkdirSync(files.file('credentials'))
    writeFileSync(files.file('credentials/parley-passphrase'), 'correct horse', { mode: 0o444 })
    const ways = [
      here(['identity', 'show', '--json', '--passphrase-file', file]),
      here(['identity', 'show', '--json'], { PARLEY_PASSPHRASE_FILE: file }),
      here(['identity', 'show', '--json'], { CREDENTIALS_DIRECTORY: files.file('credentials') })
    ]
    for (const way of ways) expect(JSON.parse((await way).stdout)).toMatchObject({ id: 'ada', sealedBy: 'passphrase' })
    await using daemon = await startLocalDaemon(home.path, { 'identity.passphraseFile': file })
    expect(JSON.parse((await daemon.parley(['identity', 'show', '--json'])).stdout).id).toBe('ada')
  })

  it('is refused where the file of the passphrase is open to others, empty, or gone', async () => {
    const open = secretFile('open', 'correct horse', 0o644)
    expect(errorOf(await here(['init', '--json', '--passphrase-file', open]))).toEqual([9, 'KEYRING_MODE'])
    for (const file of [secretFile('empty', ''), files.file('gone')]) {
      expect(errorOf(await here(['init', '--json', '--passphrase-file', file]))).toEqual([9, 'PASSPHRASE_INVALID'])
    }
    expect(existsSync(home.file('state/keyring'))).toBe(false)
  })

  it('gets it, gets another one, and loses it, while no daemon runs', async () => {
    await here(['init'])
    const [one, two] = [secretFile('one', 'one'), secretFile('two', 'two')]
    expect((await here(['identity', 'passphrase', '--new-passphrase-file', one])).code).toBe(0)
    const second = ['identity', 'passphrase', '--new-passphrase-file', two, '--json']
    expect(errorOf(await here(second))).toEqual([9, 'PASSPHRASE_REQUIRED'])
    expect(JSON.parse((await here([...second, '--passphrase-file', one])).stdout)).toEqual({ sealedBy: 'passphrase' })
    expect(errorOf(await here(['identity', 'passphrase', '--remove', '--json', '--passphrase-file', one]))).toEqual([
      9,
      'PASSPHRASE_WRONG'
    ])
    expect((await here(['identity', 'passphrase', '--remove', '--passphrase-file', two])).code).toBe(0)
    await using _daemon = await startLocalDaemon(home.path)
    expect(errorOf(await here(second))).toEqual([1, 'ALREADY_RUNNING'])
    expect(statSync(home.file('state/keyring.key')).mode & 0o777).toBe(0o600)
  })
})

describe('a backup of an identity', () => {
  it('is refused for what is wrong with it, its passphrase, or the home that it is put into', async () => {
    await here(['init', '--id', 'ada'])
    const secret = secretFile('secret', 'of the backup')
    const backup = files.file('ada.backup')
    const withSecret = ['--backup-passphrase-file', secret, '--json']
    expect(errorOf(await here(['identity', 'export', backup, '--json']))).toEqual([1, 'USAGE'])
    expect((await here(['identity', 'export', backup, ...withSecret])).code).toBe(0)
    expect(statSync(backup).mode & 0o777).toBe(0o600)
    const bytes = readFileSync(backup)
    expect(bytes.includes('ada')).toBe(false)
    expect((await here(['identity', 'export', backup, ...withSecret])).code).not.toBe(0)
    expect(readFileSync(backup)).toEqual(bytes)
    expect(errorOf(await here(['identity', 'import', backup, ...withSecret]))).toEqual([1, 'ALREADY_INITIALIZED'])
    using other = makeTempHome()
    const wrong = ['--backup-passphrase-file', secretFile('wrong', 'of another'), '--json']
    expect(errorOf(await at(other, ['identity', 'import', backup, ...wrong]))).toEqual([9, 'PASSPHRASE_WRONG'])
    const [cut, newer] = [files.file('cut'), files.file('newer')]
    writeFileSync(cut, bytes.subarray(0, -1))
    writeFileSync(newer, Buffer.concat([Buffer.from('parley/backup/v2\0'), bytes.subarray(17)]))
    expect(errorOf(await at(other, ['identity', 'import', cut, ...withSecret]))).toEqual([1, 'BACKUP_INVALID'])
    expect(errorOf(await at(other, ['identity', 'import', newer, ...withSecret]))).toEqual([7, 'BACKUP_NEWER'])
    expect(existsSync(other.file('state/keyring'))).toBe(false)
  })

  it('brings an identity and its contacts to another host, where a contact goes on with it in a new epoch', async () => {
    using bobsHome = makeTempHome()
    using other = makeTempHome()
    await using bob = await startLocalDaemon(bobsHome.path, { 'node.id': 'bob' })
    const alice = await startLocalDaemon(home.path, { 'node.id': 'alice' })
    await introduce(alice, bob)
    const first = await alice.parley(['send', 'bob', 'before', '--wait', 'stored'])
    expect(first.code).toBe(0)
    alice.terminate()
    await alice.exited
    const secret = ['--backup-passphrase-file', secretFile('secret', 'of the backup')]
    expect(JSON.parse((await here(['identity', 'export', files.file('b'), ...secret, '--json'])).stdout)).toMatchObject(
      {
        id: 'alice',
        contacts: 1
      }
    )
    const imported = await at(other, ['identity', 'import', files.file('b'), ...secret, '--json'])
    expect(JSON.parse(imported.stdout)).toEqual({ id: 'alice', contacts: 1 })
    await using restored = await startLocalDaemon(other.path)
    expect((await restored.parley(['wait', '--for', 'peer=bob', '--timeout', '20s'])).code).toBe(0)
    const after = await restored.parley(['send', 'bob', 'after', '--wait', 'stored'])
    expect(after.code).toBe(0)
    expect((await restored.parley(['audit', 'verify'])).code).toBe(0)
    const epochOf = (sent: { stdout: string }): string => sent.stdout.trim().split('.')[0] ?? ''
    expect(epochOf(after)).not.toBe(epochOf(first))
    const heard = await bob.parley(['listen', '--json', '--count', '2'])
    const lines = heard.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines.map(({ text, id }) => [text, id])).toEqual([
      ['before', first.stdout.trim()],
      ['after', after.stdout.trim()]
    ])
  })

  it('whose import was cut short before the store was in its place is whole at the next start', async () => {
    await here(['init', '--id', 'ada'])
    const secret = ['--backup-passphrase-file', secretFile('secret', 'of the backup')]
    await here(['identity', 'export', files.file('b'), ...secret])
    using other = makeTempHome()
    await at(other, ['identity', 'import', files.file('b'), ...secret])
    renameSync(other.file('state/store'), other.file('state/store.import'))
    await using daemon = await startLocalDaemon(other.path)
    expect(JSON.parse((await daemon.parley(['status', '--json'])).stdout).id).toBe('ada')
    expect(readdirSync(other.file('state'))).not.toContain('store.import')
  })
})

describe('keys rotate-store', () => {
  it('waits until everything is sealed by the new key, which the next start knows', async () => {
    {
      await using daemon = await startLocalDaemon(home.path)
      const { code, stdout } = await daemon.parley(['keys', 'rotate-store', '--json'])
      expect([code, JSON.parse(stdout)]).toMatchObject([0, { newest: 2, rotating: false }])
    }
    await using daemon = await startLocalDaemon(home.path)
    const again = await daemon.parley(['keys', 'rotate-store', '--no-wait', '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({ newest: 3 })
  })
})
