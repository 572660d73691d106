import { joinBytes, textBytes } from '../identity/fields.ts'
import type { StoreRange } from './port.ts'
import type { Sealer } from './sealer.ts'

export const CONTACT_KEY_PREFIX = 'contact/'

/** The keys of all contacts in `peers`: '0' follows '/'. */
export const CONTACT_KEYS: StoreRange = { gte: textBytes(CONTACT_KEY_PREFIX), lt: textBytes('contact0') }

/** Where in `peers` a contact lies. */
export function contactKey(sealer: Sealer, contact: string): Uint8Array {
  return joinBytes(textBytes(CONTACT_KEY_PREFIX), sealer.hiddenName('contact', contact))
}
