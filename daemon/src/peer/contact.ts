import type { Trust } from '@parley/client-sdk/contract'
import type { PublicKey } from '@parley/protocol'
import { fingerprint as fingerprintOf } from '@parley/protocol'
import { base32 } from 'multiformats/bases/base32'
import { z } from 'zod'
import { DaemonError } from '../errors.ts'
import { dialableAddress } from '../identity/address.ts'
import { type Card, decodeCard } from '../identity/card.ts'
import { sameBytes } from '../identity/fields.ts'
import { isValidName } from '../identity/names.ts'
import { keptKey, readSuccession, type Succession } from '../identity/succession.ts'
import type { RandomBytes } from '../random.ts'
import { recordCodec } from '../store/records.ts'

/** How a contact became one, whether it is blocked or not. */
export type EarnedTrust = Exclude<Trust, 'blocked'>

/** How the owner came to know that a key is the contact's. */
export interface Verification {
  /** `owner`: the owner said so. */
  readonly how: 'pairing' | 'comparison' | 'owner'
  /** Unix milliseconds. */
  readonly at: number
  /** Of a key that followed the one that was verified: when it was followed, and the fingerprint of the one before. */
  readonly inherited: { readonly at: number; readonly from: Uint8Array } | null
}

/** Another key than the one that is held, on which the owner has to decide. */
export interface KeyChange {
  /** `card`: the contact sent a card with it. `fork`: a key that was followed has a second successor. `succession`: it follows the held one, and the owner wants to be asked. */
  readonly reason: 'card' | 'fork' | 'succession'
  /** Unix milliseconds. */
  readonly at: number
  /** Of `card`. */
  readonly card: Card | null
  /** Of `fork`: the statement that was followed, then those shown in its place. Of `succession`: those that lead on. */
  readonly statements: readonly Succession[]
}

/** What is kept of the key of a contact, beside its card. */
export interface ContactKey {
  /** The Themis public key's container: the card's, or one that followed it and whose card has not come yet. */
  readonly publicKeyBytes: Uint8Array
  /** Statements that led to that key, the newest 32, without a gap. */
  readonly chain: readonly Succession[]
  /** Null where trust is not `verified`, but while a change is to be decided. */
  readonly verified: Verification | null
  /** Set while trust is `changed`. */
  readonly change: KeyChange | null
  /** Forks up to this serial were decided on. */
  readonly forkSerial: number
  /** Fingerprints of keys outside the chain: what was accepted for them may go to this key. */
  readonly sendsFor: readonly Uint8Array[]
}

/** What is kept of a contact. */
export interface ContactRecord extends ContactKey {
  /** Random, local, for life: queues, limits and records hang on it. */
  readonly contact: string
  /** What the owner calls it. Unique. */
  readonly name: string
  readonly card: Card
  /** Where to dial instead of the card's addresses; null means the card's. */
  readonly addressOverride: readonly string[] | null
  readonly trust: EarnedTrust
  /** Apart from `trust`, so that unblocking gives the earlier trust back. */
  readonly blocked: boolean
  /** Unix milliseconds. */
  readonly addedAt: number
}

/** A peer that the owner knows. Never changed in place: a change makes a new one, by {@link contactOf}. */
export interface Contact extends ContactRecord {
  /** Where the contact is dialled: the override, or the card's. */
  readonly addresses: readonly string[]
  readonly publicKey: PublicKey
  /** SHA-256 of `publicKeyBytes`. */
  readonly fingerprint: Uint8Array
  /** The card's. */
  readonly lineage: Uint8Array
}

/** The most addresses of an override. */
const OVERRIDE_ADDRESS_COUNT_MAX = 8

const CONTACT_ID_BYTES = 10
const CONTACT_ID_TEXT = /^[a-z2-7]{16}$/

const address = z.string().refine(text => dialableAddress(text) === text)

const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)
const digest = z.custom<Uint8Array>(value => value instanceof Uint8Array && value.length === 32)
const unixMs = z.int().nonnegative()

const former = z.strictObject({
  contact: z.string().regex(CONTACT_ID_TEXT),
  name: z.string().refine(isValidName),
  card: bytes,
  addressOverride: z.array(address).max(OVERRIDE_ADDRESS_COUNT_MAX).readonly().nullable(),
  trust: z.enum(['known', 'pending', 'verified', 'changed'] satisfies EarnedTrust[]),
  blocked: z.boolean(),
  addedAt: unixMs
})

const record = recordCodec({
  sublevel: 'peers',
  version: 2,
  schema: former.extend({
    publicKeyBytes: bytes,
    chain: z.array(bytes).readonly(),
    verified: z
      .strictObject({
        how: z.enum(['pairing', 'comparison', 'owner']),
        at: unixMs,
        inherited: z.strictObject({ at: unixMs, from: digest }).nullable()
      })
      .nullable(),
    change: z
      .strictObject({
        reason: z.enum(['card', 'fork', 'succession']),
        at: unixMs,
        card: bytes.nullable(),
        statements: z.array(bytes).readonly()
      })
      .nullable(),
    forkSerial: z.int().nonnegative(),
    sendsFor: z.array(digest).readonly()
  })
})

const formerRecord = recordCodec({ sublevel: 'peers', version: 1, schema: former })

/** A new contact ID: 80 random bits in 16 characters. */
export function makeContactId(randomBytes: RandomBytes): string {
  return base32.baseEncode(randomBytes(CONTACT_ID_BYTES))
}

/** The trust that is shown and acted on. */
export function trustOf(contact: Contact): Trust {
  return contact.blocked ? 'blocked' : contact.trust
}

/** What is not said of a key is that of a contact that has just become one. */
type ContactParts = Omit<ContactRecord, keyof ContactKey> & Partial<ContactKey>

/** The contact of a record, or of what begins one. */
export function contactOf(parts: ContactParts): Contact {
  const { card } = parts
  const publicKeyBytes = parts.publicKeyBytes ?? card.publicKeyBytes
  const isOfCard = sameBytes(publicKeyBytes, card.publicKeyBytes)
  const publicKey = isOfCard ? card.publicKey : keptKey(publicKeyBytes)
  return {
    ...parts,
    publicKeyBytes,
    chain: parts.chain ?? [],
    verified: parts.verified ?? null,
    change: parts.change ?? null,
    forkSerial: parts.forkSerial ?? 0,
    sendsFor: parts.sendsFor ?? [],
    addresses: parts.addressOverride ?? card.addresses,
    publicKey,
    fingerprint: isOfCard ? card.fingerprint : fingerprintOf(publicKey),
    lineage: card.lineage
  }
}

/** Whether a key is one that the contact had before the one that it has. */
export function isFormerKey({ chain }: Contact, fingerprint: Uint8Array): boolean {
  return chain.some(({ oldFingerprint }) => sameBytes(oldFingerprint, fingerprint))
}

/** Whether what was accepted for a key may go to the key that the contact has. */
export function mayGoTo(contact: Contact, fingerprint: Uint8Array): boolean {
  return (
    sameBytes(contact.fingerprint, fingerprint) ||
    isFormerKey(contact, fingerprint) ||
    contact.sendsFor.some(former => sameBytes(former, fingerprint))
  )
}

/** The fingerprint of the key on which the owner has to decide. */
export function offeredFingerprint({ card, statements }: KeyChange): Uint8Array {
  const fingerprint = card?.fingerprint ?? statements.at(-1)?.newFingerprint
  if (fingerprint === undefined) throw new TypeError('a change without a key')
  return fingerprint
}

/** Brings addresses that the owner gave into their canonical form, each once. @throws {DaemonError} `ADDRESS_INVALID` */
export function canonicalAddresses(addresses: readonly string[]): readonly string[] {
  const canonical = addresses.map(text => {
    const address = dialableAddress(text.trim())
    if (address === undefined) throw new DaemonError('ADDRESS_INVALID', 'An address is not a TCP multiaddr to dial.')
    return address
  })
  const distinct = [...new Set(canonical)]
  if (distinct.length > OVERRIDE_ADDRESS_COUNT_MAX) {
    throw new DaemonError('ADDRESS_INVALID', `A contact has at most ${OVERRIDE_ADDRESS_COUNT_MAX} addresses.`)
  }
  return distinct
}

/** A contact as the store keeps it. */
export function encodeContact(contact: Contact): Uint8Array {
  const { addresses: _addresses, publicKey: _key, fingerprint: _print, lineage: _lineage, ...kept } = contact
  const { card, chain, change } = kept
  return record.encode({
    ...kept,
    card: card.bytes,
    chain: chain.map(({ bytes }) => bytes),
    change: change && {
      ...change,
      card: change.card?.bytes ?? null,
      statements: change.statements.map(({ bytes }) => bytes)
    }
  })
}

/** Reads a stored contact; its card's signatures are checked again. @throws {DaemonError} `RECORD_DAMAGED` */
export function decodeContact(bytes: Uint8Array): Contact {
  const { card, chain, change, ...rest } = record.decode(bytes)
  return contactOf({
    ...rest,
    card: decodeStoredCard(card),
    chain: chain.map(decodeStoredStatement),
    change: change && {
      ...change,
      card: change.card && decodeStoredCard(change.card),
      statements: change.statements.map(decodeStoredStatement)
    }
  })
}

/** Makes a contact's record of one of before contacts had chains. @throws {DaemonError} `RECORD_DAMAGED` */
export function upgradeContact(bytes: Uint8Array): Uint8Array {
  const kept = formerRecord.decode(bytes)
  const { trust, addedAt } = kept
  const verified = trust === 'verified' ? { how: 'owner' as const, at: addedAt, inherited: null } : null
  return encodeContact(contactOf({ ...kept, card: decodeStoredCard(kept.card), verified }))
}

/** Reads a contact of a store that this program's migrations may not have seen yet. @throws {DaemonError} `RECORD_DAMAGED` */
export function decodeAnyContact(bytes: Uint8Array): Contact {
  try {
    return decodeContact(bytes)
  } catch (error) {
    try {
      return decodeContact(upgradeContact(bytes))
    } catch {
      // It is of neither kind: what is wrong with it as one of now says more.
      throw error
    }
  }
}

function decodeStoredStatement(bytes: Uint8Array): Succession {
  try {
    return readSuccession(bytes)
  } catch (cause) {
    throw new DaemonError('RECORD_DAMAGED', 'A succession in the store does not decode.', {
      cause,
      data: { sublevel: 'peers' }
    })
  }
}

function decodeStoredCard(bytes: Uint8Array): Card {
  try {
    return decodeCard(bytes)
  } catch (cause) {
    throw new DaemonError('RECORD_DAMAGED', 'The card of a contact in the store does not decode.', {
      cause,
      data: { sublevel: 'peers' }
    })
  }
}
