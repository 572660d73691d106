import { randomBytes } from 'node:crypto'
import { SecureSession } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import { deriveDataKeys } from '../../protocol/src/secure-session/key-schedule.ts'
import { decodeSavedSession } from '../../protocol/src/secure-session/saved-session.ts'
import {
  type Expectation,
  fromBase64,
  loadVectors,
  shouldSucceed,
  statusOfRefusal,
  toBase64,
  type VectorCase
} from './load.ts'

interface StateCase extends VectorCase {
  readonly state: string
  readonly expect: Expectation
  readonly derived?: {
    readonly is_client: boolean
    readonly client_key: string
    readonly server_key: string
    readonly client_initial_seq: number
    readonly server_initial_seq: number
    readonly out_seq: number
    readonly in_seq: number
  }
}

const { cases } = loadVectors<StateCase>('session-state.json')

test('all cases are there', () => {
  expect(cases.length).toBe(22)
})

describe('saved session', () => {
  test.each(cases)('$id $desc', vector => {
    const saved = fromBase64(vector.state)
    const load = () => SecureSession.load(saved, randomBytes)
    if (!shouldSucceed(vector.policy, vector.expect)) {
      const status = statusOfRefusal('other', load)
      if (vector.policy === 'must' && vector.expect.status !== null) expect(status).toBe(vector.expect.status)
      return
    }
    using session = load()
    expect(session.established).toBe(true)
    expect(session.remoteId).toBeUndefined()
    expect(toBase64(session.save())).toBe(vector.state)
    const { derived } = vector
    if (derived === undefined) return
    const { role, secrets, sequenceNumbers } = decodeSavedSession(saved)
    expect(role).toBe(derived.is_client ? 'client' : 'server')
    expect(sequenceNumbers).toEqual({ outgoing: derived.out_seq, incoming: derived.in_seq })
    const keys = deriveDataKeys(secrets)
    expect(toBase64(keys.clientKey)).toBe(derived.client_key)
    expect(toBase64(keys.serverKey)).toBe(derived.server_key)
    expect(keys.clientSequence).toBe(derived.client_initial_seq)
    expect(keys.serverSequence).toBe(derived.server_initial_seq)
  })
})
