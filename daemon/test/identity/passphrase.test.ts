import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { textBytes } from '../../src/identity/fields.ts'
import { passphraseSource, readPassphraseFile } from '../../src/identity/passphrase.ts'
import { codeOf } from './identities.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-passphrase-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function written(content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, 'file')
  rmSync(path, { force: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

describe('the file of a passphrase', () => {
  it.each([
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['secret\n\n', 'secret\n'],
    [' se\ncret ', ' se\ncret '],
    ['\r', '\r']
  ])('%j is the passphrase %j', async (content, passphrase) => {
    expect(await readPassphraseFile(written(content))).toEqual(textBytes(passphrase))
  })

  it('is refused when there is nothing in it, too much, or it is open to others', async () => {
    for (const content of ['', '\n', '\r\n', 'x'.repeat(1_025), 'x'.repeat(5_000)]) {
      expect(await codeOf(() => readPassphraseFile(written(content)))).toBe('PASSPHRASE_INVALID')
    }
    expect(await codeOf(() => readPassphraseFile(written('secret', 0o640)))).toBe('KEYRING_MODE')
    expect(await codeOf(() => readPassphraseFile(join(folder, 'gone')))).toBe('PASSPHRASE_INVALID')
    expect((await readPassphraseFile(written('x'.repeat(1_024)))).length).toBe(1_024)
  })
})

describe('where a passphrase comes from', () => {
  it('is the named file, else the credential, whatever mode that shows, else nowhere', async () => {
    writeFileSync(join(folder, 'parley-passphrase'), 'credential', { mode: 0o444 })
    const file = written('file')
    const given = (options: Parameters<typeof passphraseSource>[0]) => passphraseSource(options).given()
    expect(await given({ file, credentialsDirectory: folder })).toEqual(textBytes('file'))
    expect(await given({ credentialsDirectory: folder })).toEqual(textBytes('credential'))
    expect(await given({ credentialsDirectory: join(folder, 'elsewhere') })).toBeUndefined()
    expect(await given({})).toBeUndefined()
    expect(await passphraseSource({}).prompt()).toBeUndefined()
    expect(await passphraseSource({ prompt: async () => textBytes('typed') }).prompt()).toEqual(textBytes('typed'))
  })
})
