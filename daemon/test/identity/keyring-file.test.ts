import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { joinBytes, textBytes } from '../../src/identity/fields.ts'
import type { Keyring } from '../../src/identity/keyring.ts'
import {
  changeLock,
  heldInFile,
  keyringKeyPath,
  keyringPath,
  makeLock,
  readKeyring,
  saveKeyring,
  type UnlockedKeyring
} from '../../src/identity/keyring-file.ts'
import { NO_PASSPHRASE, type PassphraseSource } from '../../src/identity/passphrase.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { codeOf, identityNamed } from './identities.ts'

const ada = identityNamed('ada')
const grace = identityNamed('grace')
const randomBytes = seededRandomBytes('keyring file')
const LABEL = 'parley/keyring/v2\0'

let stateDir: string
let path: string
beforeEach(() => {
  stateDir = join(mkdtempSync(join(tmpdir(), 'parley-keyring-')), "it's a home")
  path = keyringPath(stateDir)
})
afterEach(() => rmSync(join(stateDir, '..'), { recursive: true }))

const saying = (passphrase: string): PassphraseSource => ({
  ...NO_PASSPHRASE,
  given: async () => textBytes(passphrase)
})

async function save(keyring: Keyring, how: 'create' | 'replace', passphrase?: string): Promise<void> {
  const lock = await makeLock(stateDir, passphrase === undefined ? undefined : textBytes(passphrase), randomBytes)
  await saveKeyring(stateDir, { keyring, lock }, how, randomBytes)
}

async function load(source = NO_PASSPHRASE): Promise<UnlockedKeyring> {
  const read = await readKeyring(stateDir, source)
  if ('identity' in read) throw new Error('a keyring of the first version')
  return read
}

/** A file with the label, a digest that holds, and `body`. */
function writeWith(body: Uint8Array): void {
  const digest = new Uint8Array(createHash('sha256').update(body).digest())
  writeFileSync(path, joinBytes(textBytes(LABEL), digest, body), { mode: 0o600 })
}

describe('a keyring file', () => {
  it('keeps the keyring, sealed by a key beside it, both with mode 0600 in a directory that is made with mode 0700', async () => {
    await save(ada, 'create')
    expect([path, keyringKeyPath(stateDir), stateDir].map(at => statSync(at).mode & 0o777)).toEqual([
      0o600, 0o600, 0o700
    ])
    expect(readdirSync(stateDir).sort()).toEqual(['keyring', 'keyring.key'])
    expect(statSync(keyringKeyPath(stateDir)).size).toBe(32)
    expect((await load()).keyring.encode()).toEqual(ada.encode())
  })

  it('shows nothing of what is in it', async () => {
    await save(ada, 'create')
    const file = readFileSync(path)
    const plain = Buffer.from(ada.encode())
    for (let at = 0; at + 8 <= plain.length; at++) expect(file.includes(plain.subarray(at, at + 8))).toBe(false)
  })

  it('never takes the place of one that is there', async () => {
    await save(ada, 'create')
    expect(await codeOf(() => save(grace, 'create'))).toBe('ALREADY_INITIALIZED')
    expect((await load()).keyring.id).toBe('ada')
  })

  it('is made once, whoever else is making one for the same home', async () => {
    const outcomes = await Promise.all([ada, grace, ada, grace].map(keyring => codeOf(() => save(keyring, 'create'))))
    expect(outcomes.filter(code => code === undefined)).toHaveLength(1)
    expect(outcomes.filter(code => code === 'ALREADY_INITIALIZED')).toHaveLength(3)
    expect(['ada', 'grace']).toContain((await load()).keyring.id)
  })

  it('is replaced as a whole by each change, one after the other, and holds the last', async () => {
    await save(ada, 'create')
    const held = heldInFile(stateDir, await load(), randomBytes)
    const counts = [1, 2, 3, 4]
    const add = (keyring: Keyring) =>
      keyring.with({ auditHead: { ...keyring.auditHead, count: keyring.auditHead.count + 1 } })
    await Promise.all(counts.map(() => held.replace(add)))
    expect(held.current.auditHead.count).toBe(4)
    expect((await load()).keyring.encode()).toEqual(held.current.encode())
    expect(readdirSync(stateDir).sort()).toEqual(['keyring', 'keyring.key'])
  })

  it('that cannot be written leaves the keyring as it was, for the next change to write', async () => {
    await save(ada, 'create')
    const held = heldInFile(stateDir, await load(), randomBytes)
    rmSync(stateDir, { recursive: true })
    writeFileSync(stateDir, '')
    const count = (to: number) => (keyring: Keyring) => keyring.with({ auditHead: { ...keyring.auditHead, count: to } })
    expect(await codeOf(() => held.replace(count(1)))).toBe('STORE_UNAVAILABLE')
    expect(held.current.auditHead.count).toBe(0)
    rmSync(stateDir)
    await held.replace(count(2))
    expect(held.current.auditHead.count).toBe(2)
  })
})

describe('a keyring that does not open', () => {
  /** What is said, while no file changes. */
  async function refusal(source?: PassphraseSource): Promise<unknown> {
    const filesOf = () =>
      readdirSync(stateDir).map(name => [
        name,
        statSync(join(stateDir, name)).mtimeMs,
        statSync(join(stateDir, name)).mode
      ])
    const before = filesOf()
    const code = await codeOf(() => load(source))
    expect(filesOf()).toEqual(before)
    return code
  }

  it('is refused while others may read or write it or its key, with the command that mends it', async () => {
    await save(ada, 'create')
    for (const file of [path, keyringKeyPath(stateDir)]) {
      for (const mode of [0o640, 0o644, 0o602, 0o660]) {
        chmodSync(file, mode)
        const refused = await load().catch((error: unknown) => error)
        expect(refused).toMatchObject({ code: 'KEYRING_MODE' })
        const quoted = file.replace("'", `'\\''`)
        expect((refused as Error).message).toContain(`chmod 600 '${quoted}'`)
      }
      chmodSync(file, 0o600)
    }
    expect((await load()).keyring.id).toBe('ada')
  })

  it('is told apart when it is missing, cut off, changed, or of a newer version', async () => {
    await save(ada, 'create')
    const whole = readFileSync(path)
    for (const length of [0, 5, 17, 18, 40, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, length))
      expect(await refusal()).toBe('KEYRING_INVALID')
    }
    for (let at = 0; at < whole.length; at += 7) {
      const flipped = Buffer.from(whole)
      flipped[at] = (flipped[at] ?? 0) ^ 0x04
      writeFileSync(path, flipped)
      expect(await refusal()).toBe('KEYRING_INVALID')
    }
    writeFileSync(path, Buffer.concat([Buffer.from('parley/keyring/v3\0'), whole.subarray(18)]))
    expect(await refusal()).toBe('KEYRING_NEWER')
    writeFileSync(path, 'x'.repeat(3 * 1024 * 1024))
    expect(await refusal()).toBe('KEYRING_INVALID')
    rmSync(path)
    expect(await refusal()).toBe('NOT_INITIALIZED')
    expect(await codeOf(() => readKeyring('/dev/null', NO_PASSPHRASE))).toBe('KEYRING_INVALID')
  })

  it('is told apart when its key is missing, cut off, or that of another', async () => {
    await save(ada, 'create')
    const key = keyringKeyPath(stateDir)
    writeFileSync(key, new Uint8Array(31))
    expect(await refusal()).toBe('KEYRING_KEY_INVALID')
    writeFileSync(key, new Uint8Array(32))
    expect(await refusal()).toBe('KEYRING_KEY_INVALID')
    rmSync(key)
    expect(await refusal()).toBe('KEYRING_KEY_MISSING')
  })
})

describe('a passphrase', () => {
  it('seals a keyring, and is asked for by code when it is missing or wrong', async () => {
    await save(ada, 'create', 'open sesame')
    expect(readdirSync(stateDir)).toEqual(['keyring'])
    const before = readFileSync(path)
    expect(await codeOf(() => load())).toBe('PASSPHRASE_REQUIRED')
    expect(await codeOf(() => load(saying('open sesam')))).toBe('PASSPHRASE_WRONG')
    expect(readFileSync(path)).toEqual(before)
    expect((await load(saying('open sesame'))).keyring.encode()).toEqual(ada.encode())
    const asked = { given: async () => undefined, prompt: async () => textBytes('open sesame') }
    expect((await load(asked)).keyring.id).toBe('ada')
  })

  it('is stretched by 1,200,000 rounds of PBKDF2, in the cell of Themis', async () => {
    await save(ada, 'create', 'open sesame')
    const file = readFileSync(path)
    const lock = file.subarray(18 + 32 + 4)
    // Header: algorithm, four lengths (u32le each); IV (12), tag (16), iterations.
    const parameters = lock.subarray(20 + 12 + 16)
    expect([lock.readUInt32LE(0), parameters.readUInt32LE(0)]).toEqual([0x4101_0100, 1_200_000])
  })

  it('that would have to be stretched for minutes is not tried', async () => {
    await save(ada, 'create', 'open sesame')
    const rest = new Uint8Array(readFileSync(path)).slice(18 + 32)
    new DataView(rest.buffer).setUint32(4 + 20 + 12 + 16, 10_000_001, true)
    writeWith(rest)
    expect(await codeOf(() => load(saying('open sesame')))).toBe('KEYRING_INVALID')
  })

  it('does not stand in the keyring that changes: it is sealed anew without it', async () => {
    await save(ada, 'create', 'open sesame')
    const held = heldInFile(stateDir, await load(saying('open sesame')), randomBytes)
    await held.replace(keyring => keyring.with({ opaqueSetup: textBytes('setup') }))
    const { keyring } = await load(saying('open sesame'))
    expect(keyring.opaqueSetup()).toEqual(textBytes('setup'))
  })

  it('is set, changed and removed, and then the old way opens nothing', async () => {
    await save(ada, 'create')
    const firstKey = readFileSync(keyringKeyPath(stateDir))
    await changeLock(stateDir, ada, textBytes('one'), randomBytes)
    expect(existsSync(keyringKeyPath(stateDir))).toBe(false)
    await changeLock(stateDir, ada, textBytes('two'), randomBytes)
    expect(await codeOf(() => load(saying('one')))).toBe('PASSPHRASE_WRONG')
    expect((await load(saying('two'))).keyring.id).toBe('ada')
    // As a change that was cut short leaves it.
    writeFileSync(keyringKeyPath(stateDir), firstKey, { mode: 0o600 })
    await changeLock(stateDir, ada, undefined, randomBytes)
    expect(readFileSync(keyringKeyPath(stateDir))).not.toEqual(firstKey)
    expect((await load()).keyring.encode()).toEqual(ada.encode())
  })
})

describe('the content of a keyring file', () => {
  it('is bound to the lock beside it', async () => {
    await save(ada, 'create', 'open sesame')
    const bodyOf = () => new Uint8Array(readFileSync(path)).slice(18 + 32)
    const one = bodyOf()
    await save(ada, 'replace', 'open sesame')
    const lockBytes = 4 + new DataView(one.buffer).getUint32(0)
    writeWith(joinBytes(bodyOf().slice(0, lockBytes), one.slice(lockBytes)))
    expect(await codeOf(() => load(saying('open sesame')))).toBe('KEYRING_INVALID')
  })
})
