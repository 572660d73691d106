import { pbkdf2, pbkdf2Sync } from 'node:crypto'
import { plainBytes } from '../bytes.ts'
import { DIGEST_BYTES } from './hash.ts'

/**
 * PBKDF2 with HMAC-SHA-256, 32 bytes of it. Blocks. The caller owns the result and should wipe it.
 *
 * @param iterations - 1 to 2^31 - 1
 * @see RFC 8018 section 5.2
 */
export function stretchPassphrase(passphrase: Uint8Array, salt: Uint8Array, iterations: number): Uint8Array {
  return plainBytes(pbkdf2Sync(passphrase, salt, iterations, DIGEST_BYTES, 'sha256'))
}

/** As {@link stretchPassphrase}, off the event loop; Node copies the passphrase and the salt at once. */
export function stretchPassphraseAsync(
  passphrase: Uint8Array,
  salt: Uint8Array,
  iterations: number
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    pbkdf2(passphrase, salt, iterations, DIGEST_BYTES, 'sha256', (error, stretched) => {
      if (error === null) resolve(plainBytes(stretched))
      else reject(error)
    })
  })
}
