import { inspect } from 'node:util'
import {
  decryptMessage,
  encryptMessage,
  generateKeyPair,
  type PrivateKey,
  SecureSession,
  signMessage,
  verifyMessage
} from '@parley/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeCard } from '../../src/identity/card.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { contactsOf, keyringOf, MiB, vaultContactOf, vaultRig } from './support.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const own = { caller: 'local' }
const randomBytes = seededRandomBytes('vault test')
const bob = keyringOf('bob')

describe('cells', () => {
  test('are opened by the owner who sealed them, with the same context', async () => {
    const { vault } = vaultRig()
    const { output, peer } = await vault.use({ ...own, operation: 'seal', context: bytes('backup') }, bytes('secret'))
    expect(peer).toBe(null)
    const opened = await vault.use({ ...own, operation: 'open', context: bytes('backup') }, output.slice())
    expect(opened.output).toEqual(bytes('secret'))
  })

  test.each([
    ['another context', { caller: 'local', context: bytes('other') }],
    ['no context', { caller: 'local' }],
    ['another owner', { caller: 'guest', context: bytes('backup') }],
    // The owner's name has its length before it: what moves between the two fields is another context.
    ['an owner whose name and context join to the same text', { caller: 'loca', context: bytes('lbackup') }]
  ])('do not open with %s', async (_what, use) => {
    const { vault } = vaultRig()
    const { output } = await vault.use({ ...own, operation: 'seal', context: bytes('backup') }, bytes('secret'))
    await expect(vault.use({ ...use, operation: 'open' }, output)).rejects.toMatchObject({
      code: 'AUTHENTICATION_FAILED'
    })
  })

  test('that are cut off are not of the format', async () => {
    const { vault } = vaultRig()
    const { output } = await vault.use({ ...own, operation: 'seal' }, bytes('secret'))
    const cut = vault.use({ ...own, operation: 'open' }, output.slice(0, 3))
    await expect(cut).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
  })
})

describe('messages', () => {
  test('that were encrypted are decrypted by the contact, and say who they are for', async () => {
    const { vault, keys } = vaultRig()
    const { output, peer } = await vault.use({ ...own, operation: 'encrypt', peer: 'bob' }, bytes('report'))
    expect(peer).toMatchObject({ name: 'bob', contact: 'contact-bob' })
    expect(decryptMessage(bob.identityKey(), keys.current.publicKey, output)).toEqual(bytes('report'))
  })

  test('that were signed hold against the key of the identity', async () => {
    const { vault, keys } = vaultRig()
    const { output } = await vault.use({ ...own, operation: 'sign' }, bytes('statement'))
    expect(verifyMessage(keys.current.publicKey, output)).toEqual(bytes('statement'))
  })

  test('of a contact are verified and decrypted; those of another are not', async () => {
    const { vault, keys } = vaultRig()
    const signed = signMessage(bob.identityKey(), bytes('by bob'))
    const verified = await vault.use({ ...own, operation: 'verify', peer: 'bob' }, signed)
    expect(verified).toMatchObject({ output: bytes('by bob'), peer: { name: 'bob', id: 'bob' } })
    const encrypted = encryptMessage(bob.identityKey(), keys.current.publicKey, bytes('for alice'), randomBytes)
    const decrypted = await vault.use({ ...own, operation: 'decrypt', peer: 'bob' }, encrypted)
    expect(decrypted.output).toEqual(bytes('for alice'))

    const mallory = keyringOf('mallory').identityKey()
    const forged = vault.use({ ...own, operation: 'verify', peer: 'bob' }, signMessage(mallory, bytes('by bob')))
    await expect(forged).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    const foreign = encryptMessage(mallory, keys.current.publicKey, bytes('for alice'), randomBytes)
    const opened = vault.use({ ...own, operation: 'decrypt', peer: 'bob' }, foreign)
    await expect(opened).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' })
    const nothing = vault.use({ ...own, operation: 'verify', peer: 'bob' }, bytes('just text of some length'))
    await expect(nothing).rejects.toMatchObject({ code: 'INVALID_MESSAGE' })
  })

  test('to a former key of the identity are decrypted, and nothing is encrypted or signed by it', async () => {
    const before = keyringOf('alice')
    const next = generateKeyPair(randomBytes).privateKey
    const rotated = before.succeededBy(next, bytes('parley/succession/v1\0'))
    const { vault } = vaultRig(rotated)
    const old = encryptMessage(bob.identityKey(), before.publicKey, bytes('to the old key'), randomBytes)
    const { output } = await vault.use({ ...own, operation: 'decrypt', peer: 'bob' }, old)
    expect(output).toEqual(bytes('to the old key'))
    const signed = await vault.use({ ...own, operation: 'sign' }, bytes('now'))
    expect(verifyMessage(rotated.publicKey, signed.output)).toEqual(bytes('now'))
    expect(() => verifyMessage(before.publicKey, signed.output)).toThrow()
  })

  test('go to and come from contacts alone', async () => {
    const { vault } = vaultRig()
    for (const operation of ['encrypt', 'verify', 'decrypt'] as const) {
      const use = vault.use({ ...own, operation, peer: 'carol' }, bytes('x'))
      await expect(use).rejects.toMatchObject({ code: 'NO_SUCH_PEER' })
      await expect(vault.use({ ...own, operation }, bytes('x'))).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    }
  })
})

describe('what the daemon signs for itself', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** Everything that is signed while `work` runs, byte for byte. */
  function signedBy(work: () => void): Uint8Array[] {
    const inputs: Uint8Array[] = []
    const prototype = Object.getPrototypeOf(bob.identityKey()) as PrivateKey
    const { sign } = prototype
    vi.spyOn(prototype, 'sign').mockImplementation(function (this: PrivateKey, message) {
      inputs.push(message.slice())
      return sign.call(this, message)
    })
    work()
    vi.restoreAllMocks()
    return inputs
  }

  function handshake(): void {
    const alice = keyringOf('alice')
    const session = (role: 'client' | 'server', keyring: typeof alice) =>
      SecureSession.create({
        role,
        id: bytes(keyring.id),
        privateKey: keyring.identityKey(),
        randomBytes,
        receivePolicy: 'ordered'
      })
    const client = session('client', alice)
    const server = session('server', bob)
    const receive = (session: SecureSession, message: Uint8Array | undefined): Uint8Array | undefined => {
      const progress = session.receive(message as Uint8Array)
      if (progress.needPeerKey === undefined) return progress.reply
      return session.peerKey(session === client ? bob.publicKey : alice.publicKey).reply
    }
    const message2 = receive(server, client.connectRequest())
    receive(client, receive(server, receive(client, message2)))
    expect(client.established && server.established).toBe(true)
  }

  test('is never signed by the vault: handshakes of Secure Session, cards and statements', async () => {
    const alice = keyringOf('alice')
    const ofHandshakes = signedBy(handshake)
    expect(ofHandshakes).toHaveLength(3)
    const ofCards = signedBy(() => {
      makeCard(alice, { addresses: ['/ip4/192.0.2.7/tcp/7390'], serial: 1, time: 1 })
    })
    expect(ofCards.length).toBeGreaterThan(0)
    const inputs = [...ofHandshakes, ...ofCards, bytes('UEC'), bytes('parley/'), bytes('parley/succession/v1\0x')]
    const { vault } = vaultRig(alice)
    for (const input of inputs) {
      await expect(vault.use({ ...own, operation: 'sign' }, input.slice())).rejects.toMatchObject({
        code: 'RESERVED_CONTENT'
      })
    }
  })
})

test('an empty input is refused', async () => {
  const { vault } = vaultRig()
  for (const use of [{ operation: 'seal' }, { operation: 'open' }, { operation: 'sign' }] as const) {
    await expect(vault.use({ ...own, ...use }, new Uint8Array(0))).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  }
})

test('what takes long is done elsewhere, and no key is left behind in what was sent there', async () => {
  const { vault, worker } = vaultRig()
  await vault.use({ ...own, operation: 'seal' }, new Uint8Array(MiB))
  expect(worker.taskCount).toBe(0)
  const { output } = await vault.use({ ...own, operation: 'seal' }, new Uint8Array(MiB + 1))
  expect(worker.taskCount).toBe(1)
  const opened = await vault.use({ ...own, operation: 'open' }, output)
  expect(opened.output.length).toBe(MiB + 1)
})

test('errors and what is shown of a vault tell nothing of keys and contents', async () => {
  const rig = vaultRig(keyringOf('alice'), contactsOf(vaultContactOf(bob)))
  const secret = Buffer.from(rig.keys.current.vaultSealKey())
  const error = await rig.vault
    .use({ ...own, operation: 'open' }, bytes('a content that nobody should read'))
    .catch((thrown: unknown) => thrown)
  const shown = inspect([rig.vault, error], { depth: 10, showHidden: true }) + JSON.stringify([rig.vault, error])
  expect(shown).not.toContain('nobody should read')
  expect(shown).not.toContain(secret.toString('hex'))
  expect(shown).not.toContain(secret.toString('base64'))
})
