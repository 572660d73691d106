import type { PeerInfo } from '@parley/client-sdk/contract'
import { hexOf } from '../identity/fields.ts'
import { type Contact, offeredFingerprint } from './contact.ts'

/** How a contact came to be verified, and what is to be decided on its key. */
export function trustDetails({ trust, verified, change }: Contact): Pick<PeerInfo, 'verified' | 'offered'> {
  const inherited = verified?.inherited
  return {
    ...(verified === null || trust !== 'verified'
      ? {}
      : {
          verified: {
            ...{ how: verified.how, at: verified.at },
            ...(inherited ? { inherited: { at: inherited.at, from: hexOf(inherited.from) } } : {})
          }
        }),
    ...(change === null
      ? {}
      : { offered: { reason: change.reason, at: change.at, fingerprint: hexOf(offeredFingerprint(change)) } })
  }
}

/** What is to be decided on a contact's key, in words. */
export function changeText({ name, change, fingerprint }: Contact): string {
  if (change === null) return `${name} has the key ${hexOf(fingerprint)}`
  const offered = hexOf(offeredFingerprint(change))
  if (change.reason === 'fork') return `a key of ${name} has two successors: ${hexOf(fingerprint)} and ${offered}`
  return `${name} shows the key ${offered}, and the one that is known is ${hexOf(fingerprint)}`
}
