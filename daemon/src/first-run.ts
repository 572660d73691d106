import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Clock } from './actor/clock.ts'
import { DaemonError } from './errors.ts'
import { createIdentity, type Keyring } from './identity/keyring.ts'
import { loadKeyring, saveKeyring } from './identity/keyring-file.ts'
import type { RandomBytes } from './random.ts'

export interface NewIdentityOptions {
  /** Directory of keys and store; made (0700) where it is missing. */
  readonly stateDir: string
  /** Absent: made of the user, the host and the key. */
  readonly id?: string | undefined
  readonly clock: Clock
  readonly randomBytes: RandomBytes
}

/** Where the keyring lies in a state directory. */
function keyringFile(stateDir: string): string {
  return join(stateDir, 'keyring')
}

/** Makes an identity with fresh keys. @throws {DaemonError} `ALREADY_INITIALIZED` `NAME_INVALID` `STORE_UNAVAILABLE` */
export async function makeIdentity(options: NewIdentityOptions): Promise<Keyring> {
  const { stateDir, id, clock, randomBytes } = options
  const keyring = createIdentity({
    ...(id === undefined ? {} : { id }),
    user: userName(),
    host: hostname().split('.')[0] ?? 'host',
    now: clock.wallMs(),
    randomBytes
  })
  await saveKeyring(keyringFile(stateDir), keyring, 'create')
  return keyring
}

/**
 * The identity of a state directory, made where there is none yet; unless `mustExist`, for a store whose contacts know a key that is
 * lost.
 *
 * @throws {DaemonError} `NOT_INITIALIZED` `KEYRING_INVALID` `KEYRING_MODE`, and those of {@link makeIdentity}
 */
export async function loadOrMakeIdentity(
  options: NewIdentityOptions & { readonly mustExist: boolean }
): Promise<Keyring> {
  const file = keyringFile(options.stateDir)
  try {
    return await loadKeyring(file)
  } catch (cause) {
    if (!(cause instanceof DaemonError) || cause.code !== 'NOT_INITIALIZED') throw cause
    if (!options.mustExist) return makeIdentity(options)
    const message = `${file} is gone, and the contacts of this home know its key: restore it from a backup.`
    throw new DaemonError('KEYRING_INVALID', message, { cause })
  }
}

/** The name of the user; in containers a user may have none. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'user' // `userInfo` fails where the user ID has no entry, and then there is no name to find.
  }
}
