import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../daemon/src/cli/main.ts'
import { formatCard, makeCard } from '../../daemon/src/identity/card.ts'
import { createIdentity, type Keyring } from '../../daemon/src/identity/keyring.ts'
import { readKeyring } from '../../daemon/src/identity/keyring-file.ts'
import { systemRandomBytes } from '../../daemon/src/random.ts'
import { cellContext } from '../../daemon/src/vault/vault.ts'
import { fakeHost } from '../../daemon/test/cli/fake-host.ts'
import { type LocalDaemon, startLocalDaemon } from '../../daemon/test/cli/local-daemon.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { loadWasmThemis } from './wasm-themis.ts'

const themis = await loadWasmThemis()
const home = makeTempHome()
/** Bob has no daemon here: he is whoever holds his key, and uses wasm-themis. */
const bob = createIdentity({ id: 'bob', user: 'bob', host: 'host', now: 1, randomBytes: systemRandomBytes })
const bobKey = new themis.PrivateKey(bob.identityKey().toBytes())
const bobPublicKey = new themis.PublicKey(bob.publicKeyBytes)

let daemon: LocalDaemon
let alice: Keyring
let alicePublicKey: InstanceType<typeof themis.PublicKey>

beforeAll(async () => {
  daemon = await startLocalDaemon(home.path)
  const nobody = { given: async () => undefined, prompt: async () => undefined }
  const read = await readKeyring(daemon.loaded.paths.stateDir, nobody)
  if (!('lock' in read)) throw new Error('a keyring of the first version')
  alice = read.keyring
  alicePublicKey = new themis.PublicKey(alice.publicKeyBytes)
  const card = formatCard(makeCard(bob, { addresses: ['/ip4/192.0.2.7/tcp/7390'], serial: 1, time: 1 }))
  const added = await daemon.parley(['peer', 'add', '-', '--name', 'bob'], { stdin: card })
  expect(added.code, added.stderr).toBe(0)
})

afterAll(async () => {
  await daemon[Symbol.asyncDispose]()
  home.remove()
})

/** What `parley ARGS < stdin` prints, byte for byte. */
async function parley(args: readonly string[], stdin: Uint8Array): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  const stdout = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      chunks.push(chunk)
      done()
    }
  })
  const { host, err } = fakeHost({ args: ['--home', home.path, ...args], stdin, stdout })
  const code = await runCli(host)
  if (code !== 0) throw new Error(err.text)
  return new Uint8Array(Buffer.concat(chunks))
}

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  // Not toEqual: it takes seconds for megabytes.
  expect(Buffer.compare(actual, expected)).toBe(0)
}

describe.each([1, 100, 32_768, 32_769, 3_000_000])('%i bytes', size => {
  const content = new Uint8Array(randomBytes(size))

  test('that parley encrypts for bob are opened by wasm-themis with his key', async () => {
    const message = await parley(['encrypt', '--to', 'bob'], content)
    expectSame(new themis.SecureMessage(new themis.KeyPair(bobKey, alicePublicKey)).decrypt(message), content)
  })

  test('that parley signs are verified by wasm-themis', async () => {
    const signed = await parley(['sign'], content)
    expectSame(new themis.SecureMessageVerify(alicePublicKey).verify(signed), content)
  })

  test('that wasm-themis encrypts with the key of bob are decrypted by parley', async () => {
    const message = new themis.SecureMessage(new themis.KeyPair(bobKey, alicePublicKey)).encrypt(content)
    expectSame(await parley(['decrypt', '--from', 'bob'], message), content)
  })

  test('that wasm-themis signs with the key of bob are verified by parley', async () => {
    const signed = new themis.SecureMessageSign(bobKey).sign(content)
    expectSame(await parley(['verify', '--from', 'bob'], signed), content)
  })

  test('in a cell of parley are opened by wasm-themis with the key of the vault, and the reverse', async () => {
    const theirs = themis.SecureCellSeal.withKey(alice.vaultSealKey())
    const context = cellContext('local', new TextEncoder().encode('backup'))
    const cell = await parley(['seal', '--context', 'backup'], content)
    expectSame(theirs.decrypt(cell, context), content)
    expectSame(await parley(['open', '--context', 'backup'], theirs.encrypt(content, context)), content)
  })
})

test('what parley encrypts is opened by nobody else', async () => {
  const message = await parley(['encrypt', '--to', 'bob'], Uint8Array.of(1, 2, 3))
  const mallory = new themis.KeyPair()
  expect(() =>
    new themis.SecureMessage(new themis.KeyPair(mallory.privateKey, alicePublicKey)).decrypt(message)
  ).toThrow()
  expect(() => new themis.SecureMessage(new themis.KeyPair(bobKey, bobPublicKey)).decrypt(message)).toThrow()
})
