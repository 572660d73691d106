import { DaemonError } from '../errors.ts'
import { type Card, isSameCard } from '../identity/card.ts'
import { hexOf, sameBytes } from '../identity/fields.ts'
import { NAME_BYTES_MAX } from '../identity/names.ts'
import type { NodeId } from '../transport/port.ts'
import { type Contact, isFormerKey } from './contact.ts'

/** What identifies this daemon to others: a card with any of it is our own. A keyring has all of it. */
export interface OwnIdentity {
  readonly id: string
  readonly fingerprint: Uint8Array
  readonly lineage: Uint8Array
  readonly nodeId: NodeId
}

/** What a valid card is to the directory. */
export type CardVerdict = { readonly kind: 'new' } | { readonly kind: 'newer' | 'same'; readonly contact: Contact }

const CANDIDATE_COUNT_MAX = 20
const REFERENCE_LENGTH_MAX = 4 * NAME_BYTES_MAX

/** Contacts in memory, found by everything that is unique among them. */
export class DirectoryIndex {
  readonly #byContact = new Map<string, Contact>()
  readonly #byName = new Map<string, Contact>()
  readonly #byId = new Map<string, Contact>()
  readonly #byFingerprint = new Map<string, Contact>()
  readonly #byNodeId = new Map<NodeId, Contact>()
  readonly #byLineage = new Map<string, Contact>()

  get size(): number {
    return this.#byContact.size
  }

  /** All contacts, by name. */
  list(): readonly Contact[] {
    return [...this.#byContact.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  byContact(contact: string): Contact | undefined {
    return this.#byContact.get(contact)
  }

  byNodeId(nodeId: NodeId): Contact | undefined {
    return this.#byNodeId.get(nodeId)
  }

  /** Whether `name` would make `resolve` mean someone else than `except`, or hide someone else's ID. */
  isNameTaken(name: string, except?: Contact): boolean {
    const holders = [this.#byName.get(name), this.#byId.get(name), this.#byContact.get(name)]
    return holders.some(holder => holder !== undefined && holder.contact !== except?.contact)
  }

  /** Puts a contact in, in the place of its former version. */
  put(contact: Contact): void {
    this.delete(contact.contact)
    this.#byContact.set(contact.contact, contact)
    this.#byName.set(contact.name, contact)
    this.#byId.set(contact.card.id, contact)
    for (const print of printsOf(contact)) this.#byFingerprint.set(print, contact)
    this.#byNodeId.set(contact.card.nodeId, contact)
    this.#byLineage.set(hexOf(contact.card.lineage), contact)
  }

  delete(contactId: string): void {
    const contact = this.#byContact.get(contactId)
    if (contact === undefined) return
    this.#byContact.delete(contactId)
    this.#byName.delete(contact.name)
    this.#byId.delete(contact.card.id)
    for (const print of printsOf(contact)) this.#byFingerprint.delete(print)
    this.#byNodeId.delete(contact.card.nodeId)
    this.#byLineage.delete(hexOf(contact.card.lineage))
  }

  /**
   * The contact that a local name, ID or contact ID means, in this order, or else the only one of which it starts one.
   *
   * @throws {DaemonError} `NO_SUCH_PEER`; `AMBIGUOUS_PEER`, whose data lists at most 20 `candidates`
   */
  resolve(reference: string): Contact {
    // Nothing that a contact is called is longer; the bound comes before the work.
    const text = reference.length > REFERENCE_LENGTH_MAX ? '' : reference.trim().normalize('NFC')
    const exact = this.#byName.get(text) ?? this.#byId.get(text) ?? this.#byContact.get(text)
    if (exact !== undefined) return exact
    const candidates = text === '' ? [] : this.list().filter(contact => startsOneOf(contact, text))
    const [only] = candidates
    if (only === undefined) throw new DaemonError('NO_SUCH_PEER', 'No contact has that name, ID or contact ID.')
    if (candidates.length === 1) return only
    const shown = candidates.slice(0, CANDIDATE_COUNT_MAX)
    throw new DaemonError('AMBIGUOUS_PEER', `More than one contact: ${shown.map(({ name }) => name).join(', ')}`, {
      data: { candidates: shown.map(({ contact, name, card }) => ({ contact, name, id: card.id })) }
    })
  }

  /**
   * Says what a card whose signatures hold is to these contacts. It belongs to a contact when Themis key, node ID and lineage are
   * that contact's; anything that is shared with a contact to whom it does not belong is a collision, and changes nothing.
   *
   * @throws {DaemonError} `SELF`; `BLOCKED` key, node ID or lineage of a blocked contact; `CONTACT_EXISTS`, `CARD_CONFLICT`,
   * `CARD_OUTDATED`, with `contact` and `name` of the contact concerned as data
   */
  judge(card: Card, own: OwnIdentity): CardVerdict {
    if (isOwn(card, own)) throw new DaemonError('SELF', 'The card is your own.')
    const strong = this.#strongHoldersOf(card)
    const blocked = strong.find(contact => contact?.blocked)
    if (blocked !== undefined) throw about('BLOCKED', blocked, 'The card is of a blocked contact')
    const holders = this.#holdersOf(card)
    const other = holders.find(contact => !belongsTo(card, contact))
    if (other !== undefined && isFormerOf(card, other)) throw about('CARD_OUTDATED', other, 'A newer key is known of')
    if (other !== undefined) throw about('CONTACT_EXISTS', other, 'Key, node ID, ID or lineage belong to a contact')
    const [holder] = holders
    if (holder === undefined) return { kind: 'new' }
    return this.#judgeSerial(card, holder)
  }

  /**
   * Whether a card may take the place of all that one contact has: it shares nothing with another one.
   *
   * @throws {DaemonError} `SELF` `BLOCKED` `CONTACT_EXISTS`
   */
  assertRenewable(contactId: string, card: Card, own: OwnIdentity): void {
    if (isOwn(card, own)) throw new DaemonError('SELF', 'The card is your own.')
    const other = this.#holdersOf(card).find(contact => contact.contact !== contactId)
    if (other === undefined) return
    if (other.blocked) throw about('BLOCKED', other, 'The card is of a blocked contact')
    throw about('CONTACT_EXISTS', other, 'Key, node ID, ID or lineage belong to a contact')
  }

  /** Whether a key is that of another contact than this one, or was. */
  isKeyOfAnother(contactId: string, fingerprint: Uint8Array): boolean {
    const print = hexOf(fingerprint)
    return [this.#byFingerprint.get(print), this.#byLineage.get(print)].some(
      holder => holder !== undefined && holder.contact !== contactId
    )
  }

  #holdersOf(card: Card): Contact[] {
    return [...this.#strongHoldersOf(card), this.#byId.get(card.id)].filter(contact => contact !== undefined)
  }

  /** Those with whom a card shares more than the ID. */
  #strongHoldersOf(card: Card): (Contact | undefined)[] {
    // The key of a card may be the first of another's lineage, and the lineage of a card another's key.
    const prints = [hexOf(card.fingerprint), hexOf(card.lineage)]
    return [
      this.#byNodeId.get(card.nodeId),
      ...prints.flatMap(print => [this.#byFingerprint.get(print), this.#byLineage.get(print)])
    ]
  }

  #judgeSerial(card: Card, contact: Contact): CardVerdict {
    if (card.serial > contact.card.serial) return { kind: 'newer', contact }
    if (card.serial < contact.card.serial) throw about('CARD_OUTDATED', contact, 'A newer card is known of')
    if (isSameCard(card, contact.card)) return { kind: 'same', contact }
    throw about('CARD_CONFLICT', contact, 'Two different cards with one serial came from')
  }
}

/** The fingerprints of the key of a contact, and of those that it had before. */
function printsOf({ fingerprint, chain }: Contact): readonly string[] {
  return [fingerprint, ...chain.map(({ oldFingerprint }) => oldFingerprint)].map(hexOf)
}

function belongsTo(card: Card, { card: held, fingerprint }: Contact): boolean {
  return (
    card.nodeId === held.nodeId && sameBytes(card.fingerprint, fingerprint) && sameBytes(card.lineage, held.lineage)
  )
}

function isFormerOf(card: Card, contact: Contact): boolean {
  return card.nodeId === contact.card.nodeId && isFormerKey(contact, card.fingerprint)
}

function isOwn(card: Card, own: OwnIdentity): boolean {
  const ownPrints = [hexOf(own.fingerprint), hexOf(own.lineage)]
  const isOwnKey = [card.fingerprint, card.lineage].some(print => ownPrints.includes(hexOf(print)))
  return isOwnKey || card.id === own.id || card.nodeId === own.nodeId
}

function startsOneOf({ name, contact, card }: Contact, text: string): boolean {
  return name.startsWith(text) || card.id.startsWith(text) || contact.startsWith(text)
}

function about(
  code: 'BLOCKED' | 'CONTACT_EXISTS' | 'CARD_CONFLICT' | 'CARD_OUTDATED',
  contact: Contact,
  message: string
): DaemonError {
  const data = { contact: contact.contact, name: contact.name }
  return new DaemonError(code, `${message}: ${contact.name} (${contact.contact}).`, { data })
}
