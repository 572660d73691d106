import type { Trust } from '@parley/client-sdk/contract'
import { base32 } from 'multiformats/bases/base32'
import { DaemonError } from '../errors.ts'
import { dialableAddress } from '../identity/address.ts'
import { CARD_BYTES_MAX, type Card, decodeCard } from '../identity/card.ts'
import { FieldReader, joinBytes, lengthPrefixed, textBytes, u64Bytes } from '../identity/fields.ts'
import type { RandomBytes } from '../random.ts'
import { isValidName, NAME_BYTES_MAX } from './names.ts'

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
export const OVERRIDE_ADDRESS_COUNT_MAX = 8

const CONTACT_ID_BYTES = 10
const CONTACT_ID_TEXT = /^[a-z2-7]{16}$/
const RECORD_LABEL = textBytes('parley/contact/v1\0')
const TRUSTS: readonly EarnedTrust[] = ['known', 'pending', 'verified', 'changed']
const OVERRIDE_BYTES_MAX = 4096

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

/**
 * A contact as the store keeps it: label with the record's version, then length-prefixed contact ID, name, card, override (empty, or
 * one length-prefixed list of length-prefixed addresses), trust, blocked (one byte), time of adding (u64be).
 */
export function encodeContact(contact: ContactRecord): Uint8Array {
  const override = contact.addressOverride?.map(address => lengthPrefixed(textBytes(address)))
  return joinBytes(
    RECORD_LABEL,
    lengthPrefixed(textBytes(contact.contact)),
    lengthPrefixed(textBytes(contact.name)),
    lengthPrefixed(contact.card.bytes),
    lengthPrefixed(override === undefined ? new Uint8Array(0) : lengthPrefixed(joinBytes(...override))),
    lengthPrefixed(textBytes(contact.trust)),
    lengthPrefixed(Uint8Array.of(contact.blocked ? 1 : 0)),
    lengthPrefixed(u64Bytes(contact.addedAt))
  )
}

/** Reads a stored contact; its card's signatures are checked again. @throws {DaemonError} `RECORD_DAMAGED` */
export function decodeContact(record: Uint8Array): Contact {
  const reader = new FieldReader(record, damaged)
  reader.expect(RECORD_LABEL)
  const contact = reader.text(NAME_BYTES_MAX)
  const name = reader.text(NAME_BYTES_MAX)
  const cardBytes = reader.field(1, CARD_BYTES_MAX)
  const addressOverride = decodeOverride(reader.field(0, OVERRIDE_BYTES_MAX))
  const trustText = reader.text(NAME_BYTES_MAX)
  const [blocked] = reader.field(1, 1)
  const addedAt = reader.u64()
  reader.end()
  const trust = TRUSTS.find(known => known === trustText)
  if (!CONTACT_ID_TEXT.test(contact) || !isValidName(name) || trust === undefined) throw damaged()
  if (blocked !== 0 && blocked !== 1) throw damaged()
  const card = decodeStoredCard(cardBytes)
  return contactOf({ contact, name, card, addressOverride, trust, blocked: blocked === 1, addedAt })
}

function decodeOverride(bytes: Uint8Array): readonly string[] | null {
  if (bytes.length === 0) return null
  const outer = new FieldReader(bytes, damaged)
  const list = new FieldReader(outer.field(0, OVERRIDE_BYTES_MAX), damaged)
  outer.end()
  const addresses: string[] = []
  while (!list.atEnd) {
    const address = list.text(OVERRIDE_BYTES_MAX)
    if (addresses.length === OVERRIDE_ADDRESS_COUNT_MAX || dialableAddress(address) !== address) throw damaged()
    addresses.push(address)
  }
  return addresses
}

function decodeStoredCard(bytes: Uint8Array): Card {
  try {
    return decodeCard(bytes)
  } catch (error) {
    throw damaged(error)
  }
}

function damaged(cause?: unknown): DaemonError {
  return new DaemonError('RECORD_DAMAGED', 'A contact in the store does not decode.', { cause })
}
