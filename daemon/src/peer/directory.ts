import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { Card } from '../identity/card.ts'
import { sameBytes } from '../identity/fields.ts'
import { defaultName, parseName } from '../identity/names.ts'
import type { Succession } from '../identity/succession.ts'
import type { RandomBytes } from '../random.ts'
import { CONTACT_KEYS, contactKey } from '../store/contact-key.ts'
import type { Store, StoreWrite } from '../store/port.ts'
import type { Sealer } from '../store/sealer.ts'
import type { NodeId } from '../transport/port.ts'
import {
  type Contact,
  canonicalAddresses,
  contactOf,
  decodeContact,
  encodeContact,
  type KeyChange,
  makeContactId,
  trustOf,
  type Verification
} from './contact.ts'
import { DirectoryIndex, type OwnIdentity } from './directory-index.ts'
import { decidedContact, followed, forkSerialAfter, isOfAnotherKey, withCardKey } from './succession/decisions.ts'

export interface DirectoryDeps {
  readonly own: OwnIdentity
  readonly clock: Pick<Clock, 'wallMs'>
  /** Of the store that the contacts lie in. */
  readonly sealer: Sealer
  readonly randomBytes: RandomBytes
  readonly contactCountMax: number
}

/**
 * A change that is on disk and in memory. `trust` is another trust; `updated` a card, a name or an override; `followed` a key that the
 * one before has signed.
 */
export interface DirectoryChange {
  readonly kind: 'added' | 'updated' | 'removed' | 'trust' | 'followed'
  /** As it is now; as it last was when `removed`. */
  readonly contact: Contact
  /** As it was; absent when `added`. */
  readonly before?: Contact
}

const SENDS_FOR_COUNT_MAX = 32

export type DirectoryListener = (change: DirectoryChange) => void

export interface CardOutcome {
  readonly contact: Contact
  readonly change: 'added' | 'updated' | 'unchanged'
}

/**
 * The contacts, in memory and in the store's `peers`. Reads are synchronous. Changes run one at a time in the order of the calls,
 * each decided on the state that the one before left; a change is synced to disk before it can be seen, and told to the listeners
 * once it can. When the store fails, nothing has changed in memory; {@link Directory.reload} takes what the disk says.
 */
export class Directory {
  readonly #store: Store
  readonly #deps: DirectoryDeps
  readonly #listeners = new Set<DirectoryListener>()
  #index: DirectoryIndex
  /** A write has failed: what is in memory and what is on the disk may differ. */
  #isUnknown = false
  #lastChange: Promise<unknown> = Promise.resolve()

  private constructor(store: Store, deps: DirectoryDeps, index: DirectoryIndex) {
    this.#store = store
    this.#deps = deps
    this.#index = index
  }

  /** Loads the contacts of an open store. @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  static async open(store: Store, deps: DirectoryDeps): Promise<Directory> {
    return new Directory(store, deps, await loadIndex(store, deps.sealer))
  }

  /** All contacts, by name. */
  list(): readonly Contact[] {
    return this.#index.list()
  }

  get size(): number {
    return this.#index.size
  }

  byContact(contact: string): Contact | undefined {
    return this.#index.byContact(contact)
  }

  byNodeId(nodeId: NodeId): Contact | undefined {
    return this.#index.byNodeId(nodeId)
  }

  /**
   * The contact that a local name, ID or contact ID means, in this order, or else the only one of which it starts one.
   *
   * @throws {DaemonError} `NO_SUCH_PEER`; `AMBIGUOUS_PEER`, whose data lists `candidates`
   */
  resolve(reference: string): Contact {
    return this.#index.resolve(reference)
  }

  /** Calls `listener` after each change, in order, until the returned function is called. It must not throw. */
  onChange(listener: DirectoryListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Takes a card that the owner gave: a new contact, or a newer card of one. A `name` given for a contact that is there renames it.
   *
   * @throws {DaemonError} `SELF` `BLOCKED` `CONTACT_EXISTS` `CARD_CONFLICT` `CARD_OUTDATED` `TOO_MANY_CONTACTS` `NAME_INVALID`
   * `NAME_TAKEN` `STORE_UNAVAILABLE`
   */
  add(card: Card, name?: string): Promise<CardOutcome> {
    return this.#inTurn(async () => {
      const wanted = name === undefined ? undefined : parseName(name)
      const verdict = this.#index.judge(card, this.#deps.own)
      if (verdict.kind === 'new') return { contact: await this.#addNew(card, wanted), change: 'added' }
      const before = verdict.contact
      if (wanted !== undefined) this.#assertFree(wanted, before)
      const isNamed = wanted === undefined || wanted === before.name
      if (verdict.kind === 'same' && isNamed) return { contact: this.#asIs(before), change: 'unchanged' }
      const after = { ...before, card: verdict.kind === 'newer' ? card : before.card, name: wanted ?? before.name }
      return { contact: await this.#replace('updated', before, after), change: 'updated' }
    })
  }

  /**
   * Takes a card that a contact sent in its own session. It must be of this very contact. With another Themis key, which no succession
   * led to, the contact is `changed`: the owner has to decide.
   *
   * @throws {DaemonError} as {@link Directory.add}; `NO_SUCH_PEER`; `CARD_INVALID` for the card of someone else
   */
  learn(contact: string, card: Card): Promise<CardOutcome> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      if (isOfAnotherKey(card, before)) {
        this.#index.assertRenewable(contact, card, this.#deps.own)
        const after = await this.#noteChange(before, { reason: 'card', card, statements: [] })
        return { contact: after, change: 'updated' }
      }
      const verdict = this.#index.judge(card, this.#deps.own)
      if (verdict.kind === 'new' || verdict.contact.contact !== contact) {
        throw new DaemonError('CARD_INVALID', 'The card is of someone else.')
      }
      if (verdict.kind === 'same') return { contact: before, change: 'unchanged' }
      return { contact: await this.#replace('updated', before, { ...before, card }), change: 'updated' }
    })
  }

  /**
   * Takes the card of a peer with whom a pairing is under way, as a new contact with which nothing passes yet.
   *
   * @throws {DaemonError} as {@link Directory.add}; `CONTACT_EXISTS` for the card of a contact that is there
   */
  addPending(card: Card, name?: string): Promise<Contact> {
    return this.#inTurn(async () => {
      const wanted = name === undefined ? undefined : parseName(name)
      const verdict = this.#index.judge(card, this.#deps.own)
      if (verdict.kind === 'new') return await this.#addNew(card, wanted, 'pending')
      throw new DaemonError('CONTACT_EXISTS', `${verdict.contact.name} is a contact already.`)
    })
  }

  /**
   * A contact has proven who it is, or the owner says that it has. What was to be decided on its key is decided.
   *
   * @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE`
   */
  verify(contact: string, how: Verification['how'], at: number): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      const decided = { ...before, change: null, forkSerial: forkSerialAfter(before) }
      return await this.#replace('trust', before, {
        ...decided,
        trust: 'verified',
        verified: { how, at, inherited: null }
      })
    })
  }

  /**
   * The owner says that the key of a contact is right.
   *
   * @param fingerprint - of the key that is meant; absent, whichever is held
   * @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE`; `UNTRUSTED` pending or changed; `KEY_NOT_OFFERED` the contact has another key
   */
  vouch(contact: string, fingerprint: Uint8Array | undefined): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      if (before.trust !== 'known' && before.trust !== 'verified')
        throw new DaemonError('UNTRUSTED', `${before.name} is ${before.trust}.`)
      if (fingerprint !== undefined && !sameBytes(fingerprint, before.fingerprint))
        throw new DaemonError('KEY_NOT_OFFERED', `${before.name} has another key.`)
      const verified = { how: 'owner', at: this.#deps.clock.wallMs(), inherited: null } as const
      return await this.#replace('trust', before, { ...before, trust: 'verified', verified })
    })
  }

  /** Takes back that a contact is verified. @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE`; `UNTRUSTED` pending or changed */
  unverify(contact: string): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      if (before.trust === 'known') return this.#asIs(before)
      if (before.trust !== 'verified') throw new DaemonError('UNTRUSTED', `${before.name} is ${before.trust}.`)
      return await this.#replace('trust', before, { ...before, trust: 'known', verified: null })
    })
  }

  /**
   * Follows a succession that the contact has shown, and proven by the key at its end. Where the owner wants to be asked, the contact is
   * `changed` instead.
   *
   * @param links - as `readChain` gave them
   * @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE`; `CHAIN_FOREIGN` a key of another contact or of this daemon;
   * `CHAIN_REPLAYED` another chain was followed meanwhile
   */
  follow(contact: string, links: readonly Succession[], policy: 'follow' | 'ask'): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      const [first, last] = [links[0], links.at(-1)]
      if (first === undefined || last === undefined) return this.#asIs(before)
      if (sameBytes(last.newFingerprint, before.fingerprint)) return this.#asIs(before)
      if (!sameBytes(first.oldFingerprint, before.fingerprint))
        throw new DaemonError('CHAIN_REPLAYED', 'Another key was followed meanwhile.')
      this.#assertOfNobodyElse(before, links)
      if (policy === 'ask')
        return await this.#noteChange(before, { reason: 'succession', card: null, statements: links })
      return await this.#replace('followed', before, followed(before, links, this.#deps.clock.wallMs()))
    })
  }

  /**
   * Two statements by one key were seen: the contact is `changed`, once for a fork at one place.
   *
   * @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE`
   */
  noteFork(contact: string, held: Succession, shown: readonly Succession[]): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      if (before.change !== null || held.serial <= before.forkSerial) return this.#asIs(before)
      return await this.#noteChange(before, { reason: 'fork', card: null, statements: [held, ...shown] })
    })
  }

  /**
   * Decides on the key of a contact that is `changed`: the one that it showed, or the one that is held.
   *
   * @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE`; `KEY_NOT_OFFERED` neither of these, or nothing is to be decided;
   * `CONTACT_EXISTS` `BLOCKED` `SELF` the key belongs to somebody else by now
   */
  acceptKey(contact: string, fingerprint: Uint8Array): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      if (before.change === null)
        throw new DaemonError('KEY_NOT_OFFERED', `No key of ${before.name} is to be decided on.`)
      return await this.#replace('trust', before, this.#decided(before, before.change, fingerprint))
    })
  }

  /** What was accepted for these keys may go to the key that the contact has. @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE` */
  sendFor(contact: string, fingerprints: readonly Uint8Array[]): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      const fresh = fingerprints.filter(print => !before.sendsFor.some(known => sameBytes(known, print)))
      if (fresh.length === 0) return this.#asIs(before)
      const sendsFor = [...before.sendsFor, ...fresh].slice(-SENDS_FOR_COUNT_MAX)
      return await this.#replace('updated', before, { ...before, sendsFor })
    })
  }

  /** Forgets a pending contact; nothing where it is gone, or is pending no more. @throws {DaemonError} `STORE_UNAVAILABLE` */
  dropPending(contact: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#index.byContact(contact)?.trust === 'pending') await this.#removeNow(contact)
    })
  }

  /**
   * Whether {@link Directory.renew} would take this card.
   *
   * @throws {DaemonError} `SELF` `NO_SUCH_PEER`; `BLOCKED` `CONTACT_EXISTS` where another contact has its key, node ID, ID or lineage
   */
  assertRenewable(contact: string, card: Card): void {
    this.#get(contact)
    this.#index.assertRenewable(contact, card, this.#deps.own)
  }

  /**
   * Puts a card in the place of whatever a contact had, its keys included, and takes the contact as verified: the owner and the peer have
   * paired anew.
   *
   * @throws {DaemonError} as {@link Directory.assertRenewable}; `STORE_UNAVAILABLE`
   */
  renew(contact: string, card: Card, how: 'pairing', at: number): Promise<Contact> {
    return this.#inTurn(async () => {
      this.assertRenewable(contact, card)
      const before = this.#get(contact)
      const keyed = sameBytes(before.fingerprint, card.fingerprint) ? before : withCardKey(before, card)
      return await this.#replace('trust', before, {
        ...keyed,
        ...{ card, change: null, addressOverride: null, trust: 'verified', verified: { how, at, inherited: null } }
      })
    })
  }

  /** Sets where to dial instead of the card's addresses; null goes back to those, an empty list means nowhere. @throws {DaemonError} `ADDRESS_INVALID` `NO_SUCH_PEER` `STORE_UNAVAILABLE` */
  setAddressOverride(contact: string, addresses: readonly string[] | null): Promise<Contact> {
    return this.#inTurn(async () => {
      const addressOverride = addresses === null ? null : canonicalAddresses(addresses)
      const before = this.#get(contact)
      return await this.#replace('updated', before, { ...before, addressOverride })
    })
  }

  /** @throws {DaemonError} `NAME_INVALID` `NAME_TAKEN` `NO_SUCH_PEER` `STORE_UNAVAILABLE` */
  rename(contact: string, name: string): Promise<Contact> {
    return this.#inTurn(async () => {
      const wanted = parseName(name)
      const before = this.#get(contact)
      this.#assertFree(wanted, before)
      return wanted === before.name
        ? this.#asIs(before)
        : await this.#replace('updated', before, { ...before, name: wanted })
    })
  }

  /** Blocks a contact, or gives it back the trust it had. @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE` */
  block(contact: string, blocked: boolean): Promise<Contact> {
    return this.#inTurn(async () => {
      const before = this.#get(contact)
      return before.blocked === blocked
        ? this.#asIs(before)
        : await this.#replace('trust', before, { ...before, blocked })
    })
  }

  /** Forgets a contact, and with it that it was blocked. @throws {DaemonError} `NO_SUCH_PEER` `STORE_UNAVAILABLE` */
  remove(contact: string): Promise<void> {
    return this.#inTurn(() => this.#removeNow(contact))
  }

  /** Takes the contacts anew from the store, which was opened again, and tells what is different. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#index
      this.#index = await loadIndex(this.#store, this.#deps.sealer)
      this.#isUnknown = false
      for (const contact of before.list()) {
        if (this.#index.byContact(contact.contact) === undefined)
          this.#tell({ kind: 'removed', contact, before: contact })
      }
      for (const contact of this.#index.list()) this.#tellDifference(before.byContact(contact.contact), contact)
    })
  }

  async #removeNow(contact: string): Promise<void> {
    const before = this.#get(contact)
    await this.#write({ type: 'delete', sublevel: 'peers', key: contactKey(this.#deps.sealer, contact) })
    this.#index.delete(contact)
    this.#tell({ kind: 'removed', contact: before, before })
  }

  async #addNew(card: Card, wanted: string | undefined, trust: 'known' | 'pending' = 'known'): Promise<Contact> {
    if (this.#index.size >= this.#deps.contactCountMax) {
      throw new DaemonError('TOO_MANY_CONTACTS', `There are ${this.#index.size} contacts already.`)
    }
    if (wanted !== undefined) this.#assertFree(wanted)
    const contact = contactOf({
      contact: this.#freshContactId(),
      name: wanted ?? defaultName(card.id, name => this.#index.isNameTaken(name)),
      card,
      addressOverride: null,
      trust,
      blocked: false,
      addedAt: this.#deps.clock.wallMs()
    })
    await this.#put(contact)
    this.#tell({ kind: 'added', contact })
    return contact
  }

  #noteChange(before: Contact, change: Omit<KeyChange, 'at'>): Promise<Contact> {
    if (before.change !== null) return Promise.resolve(this.#asIs(before))
    const at = this.#deps.clock.wallMs()
    return this.#replace('trust', before, { ...before, trust: 'changed', change: { ...change, at } })
  }

  #decided(before: Contact, change: KeyChange, fingerprint: Uint8Array): Contact {
    const decided = decidedContact(before, change, fingerprint, this.#deps.clock.wallMs())
    if (decided === undefined) throw new DaemonError('KEY_NOT_OFFERED', `${before.name} has not shown that key.`)
    if (sameBytes(fingerprint, before.fingerprint)) return decided
    if (change.card === null) this.#assertOfNobodyElse(before, change.statements)
    else this.#index.assertRenewable(before.contact, change.card, this.#deps.own)
    return decided
  }

  /** A key is one contact's for ever. */
  #assertOfNobodyElse({ contact }: Contact, links: readonly Succession[]): void {
    const { fingerprint: ownPrint, lineage } = this.#deps.own
    for (const { newFingerprint } of links) {
      const isOwn = sameBytes(newFingerprint, ownPrint) || sameBytes(newFingerprint, lineage)
      if (isOwn || this.#index.isKeyOfAnother(contact, newFingerprint))
        throw new DaemonError('CHAIN_FOREIGN', 'A succession leads to a key of somebody else.')
    }
  }

  async #replace(kind: 'updated' | 'trust' | 'followed', before: Contact, record: Contact): Promise<Contact> {
    const after = contactOf(record)
    await this.#put(after)
    this.#tell({ kind, contact: after, before })
    return after
  }

  async #put(contact: Contact): Promise<void> {
    const { sealer } = this.#deps
    const key = contactKey(sealer, contact.contact)
    await this.#write({ type: 'put', sublevel: 'peers', key, value: sealer.seal('peers', key, encodeContact(contact)) })
    this.#index.put(contact)
  }

  async #write(write: StoreWrite): Promise<void> {
    try {
      await this.#store.batch([write], { sync: true })
    } catch (error) {
      this.#isUnknown = true
      throw error
    }
  }

  #tellDifference(before: Contact | undefined, contact: Contact): void {
    if (before === undefined) this.#tell({ kind: 'added', contact })
    else if (trustOf(before) !== trustOf(contact)) this.#tell({ kind: 'trust', contact, before })
    else if (!sameBytes(encodeContact(before), encodeContact(contact))) this.#tell({ kind: 'updated', contact, before })
  }

  #tell(change: DirectoryChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** For a change that is there already. What may be otherwise on the disk must not be answered for. */
  #asIs(contact: Contact): Contact {
    if (this.#isUnknown) throw new DaemonError('STORE_UNAVAILABLE', 'A write failed; the contacts will be read again.')
    return contact
  }

  #get(contact: string): Contact {
    const found = this.#index.byContact(contact)
    if (found === undefined) throw new DaemonError('NO_SUCH_PEER', 'No contact has that contact ID.')
    return found
  }

  #assertFree(name: string, except?: Contact): void {
    if (this.#index.isNameTaken(name, except)) throw new DaemonError('NAME_TAKEN', `Another contact is called ${name}.`)
  }

  #freshContactId(): string {
    for (let attempt = 0; attempt < 8; attempt++) {
      const contact = makeContactId(this.#deps.randomBytes)
      if (this.#index.byContact(contact) === undefined) return contact
    }
    throw new RangeError('the random source repeats itself')
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change)
    // Each caller gets its own outcome; the next change only waits for the end of this one.
    this.#lastChange = done.catch(() => undefined)
    return done
  }
}

async function loadIndex(store: Store, sealer: Sealer): Promise<DirectoryIndex> {
  const index = new DirectoryIndex()
  for await (const { key, value } of store.range('peers', CONTACT_KEYS)) {
    const contact = decodeContact(sealer.open('peers', key, value))
    if (!sameBytes(key, contactKey(sealer, contact.contact))) {
      throw new DaemonError('RECORD_DAMAGED', 'A contact lies under a wrong key.', { data: { sublevel: 'peers' } })
    }
    index.put(contact)
  }
  return index
}
