import { beforeEach, describe, expect, it } from 'vitest'
import type { Card } from '../../../src/identity/card.ts'
import type { Keyring } from '../../../src/identity/keyring.ts'
import { makeSuccession, readSuccession } from '../../../src/identity/succession.ts'
import { type Contact, mayGoTo, trustOf } from '../../../src/peer/contact.ts'
import type { Directory } from '../../../src/peer/directory.ts'
import { MemoryStore } from '../../../src/store/memory.ts'
import { cardOf, codeOf, identityNamed } from '../../identity/identities.ts'
import { openDirectory, own } from '../directory-support.ts'
import { lineage, mixedCard, rotated } from './lineage.ts'

const bob = identityNamed('bob')
const carol = identityNamed('carol')
const line = lineage(bob, 3)
const links = (keyring: Keyring, from = 0) => keyring.chain.slice(from).map(readSuccession)
const at = (serial: number): Keyring => line[serial] as Keyring

let store: MemoryStore
let directory: Directory
let id: string

const held = (): Contact => directory.byContact(id) as Contact
const reopened = async (): Promise<Contact> => (await openDirectory(store)).byContact(id) as Contact

beforeEach(async () => {
  store = new MemoryStore()
  await store.open()
  directory = await openDirectory(store)
  id = (await directory.add(cardOf(bob))).contact.contact
})

/** A card of bob's node with a Themis key that nothing leads to. */
const otherKeyCard = (): Card => mixedCard(identityNamed('stranger'), bob, bob.id, 9)

describe('a followed key', () => {
  it('takes the place of the one before, on disk too, and what was verified is inherited', async () => {
    await directory.verify(id, 'pairing', 77)
    await directory.follow(id, links(at(3)), 'follow')
    expect(held().fingerprint).toEqual(at(3).fingerprint)
    expect(held().verified).toEqual({ how: 'pairing', at: 77, inherited: { at: 5_000, from: bob.fingerprint } })
    expect(await reopened()).toEqual(held())
    expect(directory.byNodeId(bob.nodeId)).toEqual(held())
    for (let serial = 0; serial < 4; serial++) expect(mayGoTo(held(), at(serial).fingerprint)).toBe(true)
    expect(mayGoTo(held(), carol.fingerprint)).toBe(false)
  })

  it('leaves only 32 statements behind', async () => {
    const long = lineage(bob, 34).at(-1) as Keyring
    await directory.follow(id, links(long).slice(0, 20), 'follow')
    await directory.follow(id, links(long, 20), 'follow')
    expect(held().chain.map(({ serial }) => serial)).toEqual(Array.from({ length: 32 }, (_, index) => index + 3))
    expect(await reopened()).toEqual(held())
  })

  it('takes cards of its own, and refuses those of older keys, whoever shows them', async () => {
    await directory.follow(id, links(at(2)), 'follow')
    expect(await codeOf(() => directory.learn(id, cardOf(bob, 50)))).toBe('CARD_OUTDATED')
    expect(await codeOf(() => directory.add(cardOf(at(1), 51)))).toBe('CARD_OUTDATED')
    expect(await directory.learn(id, cardOf(at(2), 52))).toMatchObject({ change: 'updated' })
    expect(held().trust).toBe('known')
    expect(held().card.serial).toBe(52)
  })

  it('is nothing new the second time, and no other is followed by what led from an older one', async () => {
    await directory.follow(id, links(at(2)), 'follow')
    expect(await directory.follow(id, links(at(2), 1), 'follow')).toEqual(held())
    expect(await codeOf(() => directory.follow(id, links(rotated(at(1), 'x'), 1), 'follow'))).toBe('CHAIN_REPLAYED')
  })

  it("is neither another contact's nor one's own", async () => {
    await directory.add(cardOf(carol))
    const statement = readSuccession(makeSuccession(bob, carol.identityKey(), 1))
    expect(await codeOf(() => directory.follow(id, [statement], 'follow'))).toBe('CHAIN_FOREIGN')
    const toUs = readSuccession(makeSuccession(bob, own.identityKey(), 1))
    expect(await codeOf(() => directory.follow(id, [toUs], 'follow'))).toBe('CHAIN_FOREIGN')
    expect(held().fingerprint).toEqual(bob.fingerprint)
  })

  it('is refused in a card as long as its lineage is blocked, under whichever key and node', async () => {
    await directory.block(id, true)
    await directory.follow(id, links(at(1)), 'follow')
    expect(trustOf(held())).toBe('blocked')
    const elsewhere = mixedCard(at(3), carol, 'somebody new', 60)
    expect(await codeOf(() => directory.add(elsewhere))).toBe('BLOCKED')
    expect(await codeOf(() => directory.addPending(elsewhere))).toBe('BLOCKED')
  })

  it('waits for the owner who wants to be asked', async () => {
    await directory.verify(id, 'comparison', 77)
    await directory.follow(id, links(at(2)), 'ask')
    expect(held()).toMatchObject({ trust: 'changed', change: { reason: 'succession' } })
    expect(held().fingerprint).toEqual(bob.fingerprint)
    expect(await reopened()).toEqual(held())
    await directory.acceptKey(id, at(2).fingerprint)
    expect(held()).toMatchObject({
      trust: 'verified',
      change: null,
      verified: { inherited: { from: bob.fingerprint } }
    })
    expect(mayGoTo(held(), bob.fingerprint)).toBe(true)
  })
})

describe('another key', () => {
  it('in a card that came in the session stops the contact until the owner decides', async () => {
    const card = otherKeyCard()
    await directory.learn(id, card)
    expect(held()).toMatchObject({ trust: 'changed', change: { reason: 'card', at: 5_000 } })
    expect(held().fingerprint).toEqual(bob.fingerprint)
    expect(await reopened()).toEqual(held())
    expect(await codeOf(() => directory.acceptKey(id, carol.fingerprint))).toBe('KEY_NOT_OFFERED')
    expect(await codeOf(() => directory.unverify(id))).toBe('UNTRUSTED')
    expect(await codeOf(() => directory.vouch(id, undefined))).toBe('UNTRUSTED')
    await directory.acceptKey(id, card.fingerprint)
    expect(held()).toMatchObject({ trust: 'known', change: null, chain: [] })
    expect(held().fingerprint).toEqual(card.fingerprint)
    expect(mayGoTo(held(), bob.fingerprint)).toBe(false)
    await directory.sendFor(id, [bob.fingerprint])
    expect(mayGoTo(held(), bob.fingerprint)).toBe(true)
    expect(await reopened()).toEqual(held())
    expect(await codeOf(() => directory.acceptKey(id, card.fingerprint))).toBe('KEY_NOT_OFFERED')
  })

  it('is refused by accepting the one that is held', async () => {
    await directory.learn(id, otherKeyCard())
    await directory.acceptKey(id, bob.fingerprint)
    expect(held()).toMatchObject({ trust: 'known', change: null })
    expect(held().fingerprint).toEqual(bob.fingerprint)
  })

  it('that the owner imports changes nothing', async () => {
    expect(await codeOf(() => directory.add(otherKeyCard()))).toBe('CONTACT_EXISTS')
    expect(await codeOf(() => directory.addPending(otherKeyCard()))).toBe('CONTACT_EXISTS')
    expect(held().trust).toBe('known')
  })
})

describe('a fork', () => {
  const thief = lineage(at(1), 2, 'thief').at(-1) as Keyring
  const [, followed] = links(at(3))
  const shown = links(thief, 1)

  beforeEach(async () => {
    await directory.follow(id, links(at(3)), 'follow')
    await directory.noteFork(id, followed as never, shown)
  })

  it('stops the contact, and both statements are kept', async () => {
    expect(held()).toMatchObject({ trust: 'changed', change: { reason: 'fork' } })
    expect(held().change?.statements).toEqual([followed, ...shown])
    expect(await reopened()).toEqual(held())
  })

  it('is decided once: the same place does not stop the contact again', async () => {
    await directory.acceptKey(id, at(3).fingerprint)
    expect(held()).toMatchObject({ trust: 'known', change: null, forkSerial: 2 })
    await directory.noteFork(id, followed as never, shown)
    expect(held().trust).toBe('known')
    await directory.noteFork(id, links(at(3))[2] as never, links(rotated(at(2), 'second thief'), 2))
    expect(held().trust).toBe('changed')
  })

  it('can be decided for the other side; then only what both had in common may go there', async () => {
    await directory.acceptKey(id, thief.fingerprint)
    expect(held().fingerprint).toEqual(thief.fingerprint)
    expect(held().chain.map(({ serial }) => serial)).toEqual([1, 2, 3])
    expect([0, 1, 2, 3].map(serial => mayGoTo(held(), at(serial).fingerprint))).toEqual([true, true, false, false])
    expect(await reopened()).toEqual(held())
  })

  it('is over with a pairing that renews the contact', async () => {
    const fresh = otherKeyCard()
    await directory.renew(id, fresh, 'pairing', 8)
    expect(held()).toMatchObject({ trust: 'verified', change: null, chain: [], verified: { how: 'pairing', at: 8 } })
    expect(held().fingerprint).toEqual(fresh.fingerprint)
  })
})

it('the owner says that a key is right, or takes it back', async () => {
  expect(await codeOf(() => directory.vouch(id, carol.fingerprint))).toBe('KEY_NOT_OFFERED')
  await directory.vouch(id, bob.fingerprint)
  expect(held()).toMatchObject({ trust: 'verified', verified: { how: 'owner', at: 5_000, inherited: null } })
  await directory.unverify(id)
  expect(held()).toMatchObject({ trust: 'known', verified: null })
})
