import type { Card } from '../../identity/card.ts'
import { sameBytes } from '../../identity/fields.ts'
import type { Succession } from '../../identity/succession.ts'
import { type Contact, contactOf, isFormerKey, type KeyChange } from '../contact.ts'
import { CHAIN_LENGTH_MAX } from './chain.ts'

/**
 * The contact once the owner has decided on its key: for the one that is held, or the one that was shown.
 *
 * @param fingerprint - of the key that is right
 * @param at - Unix milliseconds
 * @returns undefined where `fingerprint` is of neither key
 */
export function decidedContact(
  before: Contact,
  change: KeyChange,
  fingerprint: Uint8Array,
  at: number
): Contact | undefined {
  const settled = { ...before, forkSerial: forkSerialAfter(before) }
  const known = { trust: 'known', verified: null, change: null } as const
  if (sameBytes(fingerprint, before.fingerprint)) return { ...settled, ...known }
  const { card, statements, reason } = change
  const after = card === null ? statedAfter(settled, statements, reason) : withCardKey(settled, card)
  if (!sameBytes(fingerprint, contactOf(after).fingerprint)) return undefined
  if (reason !== 'succession') return { ...after, ...known }
  const next = followed(before, statements, at)
  return { ...next, trust: next.verified === null ? 'known' : 'verified', change: null }
}

/** A card of the contact's own node, with a key that nothing held leads to. */
export function isOfAnotherKey(card: Card, held: Contact): boolean {
  return (
    card.nodeId === held.card.nodeId &&
    !sameBytes(card.fingerprint, held.fingerprint) &&
    !isFormerKey(held, card.fingerprint)
  )
}

/** The contact with the key of a card, and no past. */
export function withCardKey(before: Contact, card: Card): Contact {
  return { ...before, card, publicKeyBytes: card.publicKeyBytes, chain: [], forkSerial: 0, sendsFor: [] }
}

/** The contact after statements that lead on from its key. */
export function followed(before: Contact, links: readonly Succession[], at: number): Contact {
  const from = before.fingerprint
  const verified = before.verified === null ? null : { ...before.verified, inherited: { at, from } }
  return { ...withChain(before, [...before.chain, ...links]), verified }
}

/** The contact at the end of the statements that were shown: after the held key, or in the place of what was followed. */
function statedAfter(before: Contact, statements: readonly Succession[], reason: KeyChange['reason']): Contact {
  if (reason === 'succession') return withChain(before, [...before.chain, ...statements])
  const [replaced, ...shown] = statements
  const common = before.chain.filter(({ serial }) => replaced !== undefined && serial < replaced.serial)
  return withChain(before, [...common, ...shown])
}

function withChain(before: Contact, chain: readonly Succession[]): Contact {
  const publicKeyBytes = chain.at(-1)?.newKeyBytes ?? before.publicKeyBytes
  return { ...before, publicKeyBytes, chain: chain.slice(-CHAIN_LENGTH_MAX) }
}

/** Forks up to where the one that is being decided on begins. */
export function forkSerialAfter({ forkSerial, change }: Contact): number {
  return change?.reason === 'fork' ? Math.max(forkSerial, change.statements[0]?.serial ?? 0) : forkSerial
}
