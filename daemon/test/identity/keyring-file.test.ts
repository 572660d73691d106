import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DaemonError } from '../../src/errors.ts'
import { loadKeyring, saveKeyring } from '../../src/identity/keyring-file.ts'
import { codeOf, identityNamed } from './identities.ts'

const ada = identityNamed('ada')
const grace = identityNamed('grace')

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley keyring '))
  path = join(folder, 'state', 'keyring')
})
afterEach(() => rm(folder, { recursive: true }))

const mode = async (of: string): Promise<string> => ((await stat(of)).mode & 0o777).toString(8)

describe('the keyring file', () => {
  it('is made with its folder, for its owner alone, and nothing else is left beside it', async () => {
    await saveKeyring(path, ada, 'create')
    expect(await mode(path)).toBe('600')
    expect(await mode(join(folder, 'state'))).toBe('700')
    expect(await readdir(join(folder, 'state'))).toEqual(['keyring'])
    expect((await loadKeyring(path)).encode()).toEqual(ada.encode())
  })

  it('is never made over one that is there', async () => {
    await saveKeyring(path, ada, 'create')
    expect(await codeOf(() => saveKeyring(path, grace, 'create'))).toBe('ALREADY_INITIALIZED')
    expect((await loadKeyring(path)).id).toBe('ada')
    expect(await readdir(join(folder, 'state'))).toEqual(['keyring'])
  })

  it('is made by one of several that try at once', async () => {
    const codes = await Promise.all(
      [ada, grace, ada, grace].map(keyring => codeOf(() => saveKeyring(path, keyring, 'create')))
    )
    expect(codes.filter(code => code === undefined)).toHaveLength(1)
    expect(codes.filter(code => code === 'ALREADY_INITIALIZED')).toHaveLength(3)
    expect(['ada', 'grace']).toContain((await loadKeyring(path)).id)
  })

  it('is replaced as a whole', async () => {
    await saveKeyring(path, ada, 'create')
    await saveKeyring(path, grace, 'replace')
    expect((await loadKeyring(path)).encode()).toEqual(grace.encode())
    expect(await mode(path)).toBe('600')
    expect(await readdir(join(folder, 'state'))).toEqual(['keyring'])
  })

  it('that others may read is refused, with the command that mends it', async () => {
    await saveKeyring(path, ada, 'create')
    for (const loose of [0o640, 0o604, 0o620, 0o644]) {
      await chmod(path, loose)
      const refusal = await loadKeyring(path).catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(DaemonError)
      expect(refusal).toMatchObject({ code: 'KEYRING_MODE' })
      const [, command = ''] = (refusal as DaemonError).message.split('Run: ')
      await promisify(execFile)('/bin/sh', ['-c', command])
      expect((await loadKeyring(path)).id).toBe('ada')
    }
  })

  it('that is not there means that there is no identity yet', async () => {
    expect(await codeOf(() => loadKeyring(path))).toBe('NOT_INITIALIZED')
  })

  it('that is damaged, too large or no file is refused and left as it is', async () => {
    await saveKeyring(path, ada, 'create')
    const bytes = await readFile(path)
    for (const wrong of [
      bytes.subarray(0, 50),
      Buffer.alloc(0),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.alloc(70_000)
    ]) {
      await writeFile(path, wrong)
      expect(await codeOf(() => loadKeyring(path))).toBe('KEYRING_INVALID')
      expect(await readFile(path)).toEqual(wrong)
    }
    expect(await codeOf(() => loadKeyring('/dev/null/keyring'))).toBe('KEYRING_INVALID')
    await chmod(join(folder, 'state'), 0o700)
    expect(await codeOf(() => loadKeyring(join(folder, 'state')))).toBe('KEYRING_INVALID')
  })

  it('that cannot be written says so', async () => {
    await writeFile(join(folder, 'file'), '')
    expect(await codeOf(() => saveKeyring(join(folder, 'file', 'keyring'), ada, 'create'))).toBe('STORE_UNAVAILABLE')
  })
})
