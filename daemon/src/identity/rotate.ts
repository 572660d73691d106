import { generateKeyPair } from '@parley/protocol'
import type { Clock } from '../actor/clock.ts'
import type { RandomBytes } from '../random.ts'
import type { KeyringHolder } from './keyring-holder.ts'
import { makeSuccession } from './succession.ts'

export interface RotateDeps {
  readonly keys: KeyringHolder
  readonly clock: Pick<Clock, 'wallMs'>
  readonly randomBytes: RandomBytes
}

/**
 * Gives the identity a new Themis key, which the old one and the new one sign for; the old one stays in the keyring for what was encrypted
 * to it. A crash leaves the old identity whole or the new one.
 *
 * @returns the fingerprints before and after, once the new keyring is on disk
 * @throws {DaemonError} `NOT_SUPPORTED` after 1,024 rotations; `STORE_UNAVAILABLE`
 */
export async function rotateIdentity({
  keys,
  clock,
  randomBytes
}: RotateDeps): Promise<{ readonly former: Uint8Array; readonly fingerprint: Uint8Array }> {
  const { privateKey } = generateKeyPair(randomBytes)
  let former = keys.current.fingerprint
  await keys.replace(keyring => {
    former = keyring.fingerprint
    return keyring.succeededBy(privateKey, makeSuccession(keyring, privateKey, clock.wallMs()))
  })
  return { former, fingerprint: keys.current.fingerprint }
}
