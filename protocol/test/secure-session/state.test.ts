import { expect, test } from 'vitest'
import { generateKeyPair } from '../../src/keys.ts'
import { type SessionState, wipeLeftState } from '../../src/secure-session/state.ts'
import { seededBytes } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

const closed: SessionState = { tag: 'closed' }

test('a master key is overwritten when its state is left, unless the next state holds it', () => {
  const secrets = { sessionId: new Uint8Array(4), masterKey: new Uint8Array(32).fill(7) }
  const common = { remoteId: new Uint8Array(1), secrets, messages: [] }
  const finishing: SessionState = { tag: 'awaiting-finish', finishMac: new Uint8Array(32), ...common }
  const established: SessionState = { tag: 'established', role: 'client', ...common }
  wipeLeftState(finishing, established)
  expect(secrets.masterKey[0]).toBe(7)
  wipeLeftState(established, closed)
  expect(secrets.masterKey).toEqual(new Uint8Array(32))
})

test('an ephemeral key is wiped when its state is left, unless the next state holds it', () => {
  const ephemeral = generateKeyPair(seededBytes('ephemeral'))
  const accept = {
    id: new Uint8Array(1),
    ephemeralKey: new Uint8Array(1),
    signature: new Uint8Array(1),
    bytes: new Uint8Array(1)
  }
  const waiting: SessionState = { tag: 'awaiting-accept', ephemeral, messages: [] }
  const asking: SessionState = { tag: 'awaiting-server-key', ephemeral, messages: [], accept }
  wipeLeftState(waiting, asking)
  wipeLeftState(asking, waiting)
  expect(ephemeral.privateKey.sign(Uint8Array.of(1)).length).toBeGreaterThan(0)
  wipeLeftState(waiting, closed)
  expect(codeOf(() => ephemeral.privateKey.sign(Uint8Array.of(1)))).toBe('INVALID_STATE')
})
