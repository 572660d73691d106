import type { Trust } from '@parley/client-sdk/contract'
import { base32 } from 'multiformats/bases/base32'
import { z } from 'zod'
import { DaemonError } from '../errors.ts'
import { dialableAddress } from '../identity/address.ts'
import { type Card, decodeCard } from '../identity/card.ts'
import { isValidName } from '../identity/names.ts'
import type { RandomBytes } from '../random.ts'
import { recordCodec } from '../store/records.ts'

/** How a contact became one, whether it is blocked or not. */
export type EarnedTrust = Exclude<Trust, 'blocked'>

/** What is kept of a contact. */
export interface ContactRecord {
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
}

/** The most addresses of an override. */
const OVERRIDE_ADDRESS_COUNT_MAX = 8

const CONTACT_ID_BYTES = 10
const CONTACT_ID_TEXT = /^[a-z2-7]{16}$/

const address = z.string().refine(text => dialableAddress(text) === text)

const record = recordCodec({
  sublevel: 'peers',
  version: 1,
  schema: z.strictObject({
    contact: z.string().regex(CONTACT_ID_TEXT),
    name: z.string().refine(isValidName),
    card: z.custom<Uint8Array>(value => value instanceof Uint8Array),
    addressOverride: z.array(address).max(OVERRIDE_ADDRESS_COUNT_MAX).readonly().nullable(),
    trust: z.enum(['known', 'pending', 'verified', 'changed'] satisfies EarnedTrust[]),
    blocked: z.boolean(),
    addedAt: z.int().nonnegative()
  })
})

/** A new contact ID: 80 random bits in 16 characters. */
export function makeContactId(randomBytes: RandomBytes): string {
  return base32.baseEncode(randomBytes(CONTACT_ID_BYTES))
}

/** The trust that is shown and acted on. */
export function trustOf(contact: Contact): Trust {
  return contact.blocked ? 'blocked' : contact.trust
}

/** The contact of a record. */
export function contactOf(record: ContactRecord): Contact {
  return { ...record, addresses: record.addressOverride ?? record.card.addresses }
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
export function encodeContact({
  card,
  contact,
  name,
  addressOverride,
  trust,
  blocked,
  addedAt
}: ContactRecord): Uint8Array {
  return record.encode({ contact, name, card: card.bytes, addressOverride, trust, blocked, addedAt })
}

/** Reads a stored contact; its card's signatures are checked again. @throws {DaemonError} `RECORD_DAMAGED` */
export function decodeContact(bytes: Uint8Array): Contact {
  const { card, ...rest } = record.decode(bytes)
  return contactOf({ ...rest, card: decodeStoredCard(card) })
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
