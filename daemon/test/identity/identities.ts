import { type Card, makeCard } from '../../src/identity/card.ts'
import { createIdentity, type Keyring } from '../../src/identity/keyring.ts'
import { seededRandomBytes } from '../../src/random.ts'

/** A keyring whose keys depend on `name` alone, with `name` as its ID. */
export function identityNamed(name: string): Keyring {
  return createIdentity({
    id: name,
    user: 'u',
    host: 'h',
    now: 1_000,
    randomBytes: seededRandomBytes(`identity ${name}`)
  })
}

/** A card of that keyring; the signature of the Themis key differs from call to call. */
export function cardOf(keyring: Keyring, serial = 1, addresses: readonly string[] = ['/ip4/192.0.2.7/tcp/7390']): Card {
  return makeCard(keyring, { addresses, serial, time: 2_000 })
}

/** What `run` was refused with: the code of its error. */
export async function codeOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error.code
    throw error
  }
  return undefined
}
