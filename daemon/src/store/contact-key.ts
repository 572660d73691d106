import { joinBytes, sameBytes, textBytes } from '../identity/fields.ts'
import type { StoreRange } from './port.ts'
import type { Sealer } from './sealer.ts'

export const CONTACT_KEY_PREFIX = 'contact/'

/** The keys of all contacts in `peers`: '0' follows '/'. */
export const CONTACT_KEYS: StoreRange = { gte: textBytes(CONTACT_KEY_PREFIX), lt: textBytes('contact0') }

/** Where in `peers` a contact lies. */
export function contactKey(sealer: Sealer, contact: string): Uint8Array {
  return joinBytes(textBytes(CONTACT_KEY_PREFIX), sealer.hiddenName('contact', contact))
}

/** Whether a key in `peers` is one of a contact. */
export function isContactKey(key: Uint8Array): boolean {
  return sameBytes(key.subarray(0, CONTACT_KEY_PREFIX.length), textBytes(CONTACT_KEY_PREFIX))
}
