import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decryptMessage, encryptMessage } from '@parley/protocol'
import { expect, it } from 'vitest'
import { DaemonError } from '../../src/errors.ts'
import { decodeKeyring, type Keyring } from '../../src/identity/keyring.ts'
import { heldInFile, keyringPath, makeLock, readKeyring, saveKeyring } from '../../src/identity/keyring-file.ts'
import { heldInMemory, KeyringHolder } from '../../src/identity/keyring-holder.ts'
import { NO_PASSPHRASE } from '../../src/identity/passphrase.ts'
import { rotateIdentity } from '../../src/identity/rotate.ts'
import { decodeSuccession } from '../../src/identity/succession.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { codeOf, identityNamed } from './identities.ts'

const deps = { clock: { wallMs: () => 9_000 }, randomBytes: seededRandomBytes('rotation') }
const bob = identityNamed('bob')

it('makes another Themis key, and leaves everything else as it was', async () => {
  const keys = heldInMemory(bob)
  const { former, fingerprint } = await rotateIdentity({ keys, ...deps })
  const { current } = keys
  expect([former, fingerprint]).toEqual([bob.fingerprint, current.fingerprint])
  expect(fingerprint).not.toEqual(former)
  const same = ({ id, nodeId, lineage, boxKey, createdAt }: Keyring) => ({ id, nodeId, lineage, boxKey, createdAt })
  expect(same(current)).toEqual(same(bob))
  const [statement] = current.chain.map(decodeSuccession)
  expect(statement).toMatchObject({ serial: 1, time: 9_000, lineage: bob.lineage })
  expect(statement?.newKeyBytes).toEqual(current.publicKeyBytes)
  expect(decodeKeyring(current.encode()).chain).toEqual(current.chain)
})

it('keeps former keys, newest first', async () => {
  const keys = heldInMemory(bob)
  await rotateIdentity({ keys, ...deps })
  const second = keys.current
  await rotateIdentity({ keys, ...deps })
  expect(keys.current.formerIdentities().map(({ publicKeyBytes }) => publicKeyBytes)).toEqual([
    second.publicKeyBytes,
    bob.publicKeyBytes
  ])
})

it('called twice at once is two rotations, one after the other', async () => {
  const keys = heldInMemory(bob)
  await Promise.all([rotateIdentity({ keys, ...deps }), rotateIdentity({ keys, ...deps })])
  const [first, second] = keys.current.chain.map(decodeSuccession)
  expect([first?.serial, second?.serial]).toEqual([1, 2])
  expect(second?.oldKeyBytes).toEqual(first?.newKeyBytes)
})

it('that cannot be written leaves the old identity, and the next one follows from that', async () => {
  let isBroken = true
  const keys = new KeyringHolder(bob, async () => {
    if (isBroken) throw new DaemonError('STORE_UNAVAILABLE', 'the disk is broken')
  })
  expect(await codeOf(() => rotateIdentity({ keys, ...deps }))).toBe('STORE_UNAVAILABLE')
  expect(keys.current).toBe(bob)
  isBroken = false
  await rotateIdentity({ keys, ...deps })
  expect(keys.current.chain.map(bytes => decodeSuccession(bytes).serial)).toEqual([1])
})

it('is on disk once it is answered', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'parley-rotate-'))
  try {
    const randomBytes = seededRandomBytes('lock')
    const lock = await makeLock(dir, undefined, randomBytes)
    await saveKeyring(dir, { keyring: bob, lock }, 'create', randomBytes)
    const before = await readFile(keyringPath(dir))
    const keys = heldInFile(dir, { keyring: bob, lock }, randomBytes)
    await rotateIdentity({ keys, ...deps })
    expect((await readFile(keyringPath(dir))).equals(before)).toBe(false)
    const read = await readKeyring(dir, NO_PASSPHRASE)
    if (!('lock' in read)) throw new TypeError('not of the first version')
    expect(read.keyring.fingerprint).toEqual(keys.current.fingerprint)
    expect(read.keyring.chain).toEqual(keys.current.chain)
  } finally {
    await rm(dir, { recursive: true })
  }
})

it('leaves what was encrypted to the old key readable', async () => {
  const keys = heldInMemory(bob)
  const carol = identityNamed('carol')
  const sealed = encryptMessage(carol.identityKey(), bob.publicKey, Uint8Array.of(7), deps.randomBytes)
  await rotateIdentity({ keys, ...deps })
  const [former] = keys.current.formerIdentities()
  if (former === undefined) throw new TypeError('a former key is kept')
  expect(decryptMessage(former.privateKey, carol.publicKey, sealed)).toEqual(Uint8Array.of(7))
})
