import { generateKeyPair } from '@parley/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DaemonError } from '../../src/errors.ts'
import { type Card, makeCard } from '../../src/identity/card.ts'
import { createIdentity, createOtherKeys, Keyring } from '../../src/identity/keyring.ts'
import { trustOf } from '../../src/peer/contact.ts'
import type { Directory, DirectoryChange } from '../../src/peer/directory.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { cardOf, codeOf, identityNamed } from '../identity/identities.ts'
import { Checkpoint, openDirectory, own } from './directory-support.ts'

const bob = identityNamed('bob')
const carol = identityNamed('carol')

let store: Checkpoint
let directory: Directory
let changes: DirectoryChange[]

beforeEach(async () => {
  store = new Checkpoint(new MemoryStore())
  await store.open()
  directory = await openDirectory(store)
  changes = []
  directory.onChange(change => changes.push(change))
})
afterEach(() => {
  expect(store.allSynced).toBe(true)
})

const kinds = (): string[] => changes.map(({ kind, contact }) => `${kind} ${contact.name}`)

/** A card with the keys of one or two of the named identities, and an ID: what a collision looks like. */
function cardWith(names: { themis: string; node: string; id: string }, serial = 1): Card {
  const themis = seededRandomBytes(`identity ${names.themis}`)(32)
  const node = seededRandomBytes(`identity ${names.node}`)(64).slice(32)
  const parts = [themis, node, seededRandomBytes('box')(32)]
  const randomBytes = () => parts.shift() ?? new Uint8Array(32)
  return cardOf(createIdentity({ id: names.id, user: 'u', host: 'h', now: 1, randomBytes }), serial)
}

/** A card of a fresh key that says to have come from the key with the fingerprint `lineage`. */
function cardInLineage(id: string, lineage: Uint8Array): Card {
  const { privateKey: identity } = generateKeyPair(seededRandomBytes(`identity ${id}`))
  const [nodeSeed, boxSeed] = [seededRandomBytes(`node ${id}`)(32), seededRandomBytes(`box ${id}`)(32)]
  const other = createOtherKeys(seededRandomBytes('other keys'))
  return cardOf(new Keyring({ id, createdAt: 1, lineage, identity, nodeSeed, boxSeed, ...other }))
}

describe('adding a card', () => {
  it('makes a contact, found by all that is unique about it', async () => {
    const { contact, change } = await directory.add(cardOf(bob))
    expect(change).toBe('added')
    expect(contact).toMatchObject({
      name: 'bob',
      trust: 'known',
      blocked: false,
      addressOverride: null,
      addedAt: 5_000
    })
    expect(contact.contact).toMatch(/^[a-z2-7]{16}$/)
    expect(contact.addresses).toEqual(['/ip4/192.0.2.7/tcp/7390'])
    expect(directory.byContact(contact.contact)).toBe(contact)
    expect(directory.byNodeId(bob.nodeId)).toBe(contact)
    expect(directory.list()).toEqual([contact])
    expect(directory.size).toBe(1)
    expect(changes).toEqual([{ kind: 'added', contact }])
  })

  it('again changes nothing and writes nothing, whatever its signatures look like', async () => {
    const { contact } = await directory.add(cardOf(bob))
    expect(await directory.add(cardOf(bob))).toEqual({ contact, change: 'unchanged' })
    expect(kinds()).toEqual(['added bob'])
    expect(store.batches).toHaveLength(1)
  })

  it('with a higher serial updates the contact and keeps what the owner set', async () => {
    const { contact } = await directory.add(cardOf(bob), 'Bobby')
    await directory.setAddressOverride(contact.contact, ['/dns/proxy/tcp/1'])
    const renewed = makeCard(bob, { addresses: ['/dns/new/tcp/2'], serial: 2, time: 3 })
    const outcome = await directory.add(renewed)
    expect(outcome).toMatchObject({
      change: 'updated',
      contact: { contact: contact.contact, name: 'Bobby', card: renewed }
    })
    expect(outcome.contact.addresses).toEqual(['/dns/proxy/tcp/1'])
    expect((await directory.setAddressOverride(contact.contact, null)).addresses).toEqual(['/dns/new/tcp/2'])
  })

  it('with a lower serial, or the same serial and other content, is refused and names the contact', async () => {
    const { contact } = await directory.add(cardOf(bob, 5))
    for (const [card, code] of [
      [cardOf(bob, 4), 'CARD_OUTDATED'],
      [cardOf(bob, 5, []), 'CARD_CONFLICT']
    ] as const) {
      const refusal = await directory.add(card).catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(DaemonError)
      expect(refusal).toMatchObject({ code, data: { contact: contact.contact, name: 'bob' } })
    }
    expect(directory.byContact(contact.contact)).toBe(contact)
  })

  it('that shares anything with us is refused', async () => {
    expect(await codeOf(() => directory.add(cardOf(own)))).toBe('SELF')
    expect(await codeOf(() => directory.add(cardWith({ themis: 'own', node: 'x', id: 'x' })))).toBe('SELF')
    expect(await codeOf(() => directory.add(cardWith({ themis: 'x', node: 'own', id: 'x' })))).toBe('SELF')
    expect(await codeOf(() => directory.add(cardWith({ themis: 'x', node: 'x', id: 'own' })))).toBe('SELF')
  })

  it('of which only a part belongs to a contact is refused, changes nothing, and names that contact', async () => {
    const { contact: held } = await directory.add(cardOf(bob), 'robert')
    await directory.add(cardOf(carol))
    const cards = [
      cardWith({ themis: 'bob', node: 'x', id: 'x' }),
      cardWith({ themis: 'x', node: 'bob', id: 'x' }),
      cardWith({ themis: 'x', node: 'x', id: 'bob' }),
      cardWith({ themis: 'bob', node: 'x', id: 'bob' })
    ]
    for (const card of cards) {
      const refusal = await directory.add(card).catch((error: unknown) => error)
      expect(refusal).toMatchObject({ code: 'CONTACT_EXISTS', data: { contact: held.contact, name: 'robert' } })
    }
    expect(directory.byContact(held.contact)).toBe(held)
    expect(directory.size).toBe(2)
  })

  it('of a contact that takes the ID of another is refused and names the other', async () => {
    const { contact: second } = await directory.add(cardOf(carol))
    await directory.add(cardOf(bob))
    const taking = cardWith({ themis: 'bob', node: 'bob', id: 'carol' })
    const refusal = await directory.add(taking).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'CONTACT_EXISTS', data: { contact: second.contact, name: 'carol' } })
  })

  it('of a contact with a new ID of its own is an update; its name stays', async () => {
    const { contact } = await directory.add(cardOf(bob))
    const renamed = cardWith({ themis: 'bob', node: 'bob', id: 'robert' }, 2)
    expect((await directory.add(renamed)).contact).toMatchObject({
      contact: contact.contact,
      name: 'bob',
      card: renamed
    })
    expect(directory.resolve('robert').contact).toBe(contact.contact)
    expect((await directory.add(cardWith({ themis: 'x', node: 'x', id: 'bob' }))).contact.name).toBe('bob-2')
  })

  it('that claims the lineage of a contact, or is the first key of one, belongs to that contact', async () => {
    const { contact: held } = await directory.add(cardOf(bob))
    const claim = await directory.add(cardInLineage('x', bob.fingerprint)).catch((error: unknown) => error)
    expect(claim).toMatchObject({ code: 'CONTACT_EXISTS', data: { contact: held.contact } })
    const { contact: heir } = await directory.add(cardInLineage('heir', carol.fingerprint))
    const first = await directory.add(cardOf(carol)).catch((error: unknown) => error)
    expect(first).toMatchObject({ code: 'CONTACT_EXISTS', data: { contact: heir.contact } })
    expect(await codeOf(() => directory.add(cardInLineage('y', own.fingerprint)))).toBe('SELF')
    await directory.block(heir.contact, true)
    expect(await codeOf(() => directory.add(cardOf(carol)))).toBe('BLOCKED')
    expect(await codeOf(() => directory.add(cardInLineage('z', carol.fingerprint)))).toBe('BLOCKED')
  })

  it('gives the name that was asked for, or one of its own that is free', async () => {
    await directory.add(cardOf(carol), 'bob')
    expect((await directory.add(cardOf(bob))).contact.name).toBe('bob-2')
    expect(await codeOf(() => directory.add(cardOf(identityNamed('dave')), 'bob'))).toBe('NAME_TAKEN')
    expect(await codeOf(() => directory.add(cardOf(identityNamed('dave')), 'a\nb'))).toBe('NAME_INVALID')
    expect(await directory.add(cardOf(bob), 'robert')).toMatchObject({ change: 'updated', contact: { name: 'robert' } })
    expect(directory.size).toBe(2)
  })

  it('over the limit is refused; updates of contacts go on', async () => {
    const small = await openDirectory(store, { contactCountMax: 1 })
    await small.add(cardOf(bob))
    expect(await codeOf(() => small.add(cardOf(carol)))).toBe('TOO_MANY_CONTACTS')
    expect((await small.add(cardOf(bob, 2))).change).toBe('updated')
  })
})

describe('a card received in session', () => {
  it('updates the contact that sent it', async () => {
    const { contact } = await directory.add(cardOf(bob))
    expect(await directory.learn(contact.contact, cardOf(bob, 2))).toMatchObject({ change: 'updated' })
    expect(await directory.learn(contact.contact, cardOf(bob, 2))).toMatchObject({ change: 'unchanged' })
    expect(directory.byContact(contact.contact)?.card.serial).toBe(2)
    expect(await codeOf(() => directory.learn(contact.contact, cardOf(bob, 1)))).toBe('CARD_OUTDATED')
  })

  it('never adds or changes anyone else', async () => {
    const { contact } = await directory.add(cardOf(bob))
    await directory.add(cardOf(carol))
    expect(await codeOf(() => directory.learn(contact.contact, cardOf(carol, 2)))).toBe('CARD_INVALID')
    expect(await codeOf(() => directory.learn(contact.contact, cardOf(identityNamed('dave'))))).toBe('CARD_INVALID')
    const withKeyOfCarol = cardWith({ themis: 'carol', node: 'bob', id: 'x' })
    expect(await codeOf(() => directory.learn(contact.contact, withKeyOfCarol))).toBe('CONTACT_EXISTS')
    const withOwnKey = cardWith({ themis: 'own', node: 'bob', id: 'x' })
    expect(await codeOf(() => directory.learn(contact.contact, withOwnKey))).toBe('SELF')
    expect(await codeOf(() => directory.learn(contact.contact, cardOf(own)))).toBe('SELF')
    expect(await codeOf(() => directory.learn('a'.repeat(16), cardOf(bob, 2)))).toBe('NO_SUCH_PEER')
    expect(directory.list().map(({ card }) => card.serial)).toEqual([1, 1])
  })
})

describe('blocking', () => {
  it('shows as trust and gives the earlier trust back', async () => {
    const { contact } = await directory.add(cardOf(bob))
    expect(trustOf(contact)).toBe('known')
    expect(trustOf(await directory.block(contact.contact, true))).toBe('blocked')
    await directory.block(contact.contact, true)
    expect(trustOf(await directory.block(contact.contact, false))).toBe('known')
    expect(kinds()).toEqual(['added bob', 'trust bob', 'trust bob'])
    expect(changes[1]).toMatchObject({ before: { blocked: false }, contact: { blocked: true } })
  })

  it('refuses every card of the key, node and lineage until it is lifted', async () => {
    const { contact } = await directory.add(cardOf(bob))
    await directory.block(contact.contact, true)
    const cards = [
      cardOf(bob),
      cardOf(bob, 2),
      cardWith({ themis: 'bob', node: 'x', id: 'x' }),
      cardWith({ themis: 'x', node: 'bob', id: 'x' })
    ]
    for (const card of cards) expect(await codeOf(() => directory.add(card))).toBe('BLOCKED')
    expect(await codeOf(() => directory.learn(contact.contact, cardOf(bob, 2)))).toBe('BLOCKED')
    await directory.block(contact.contact, false)
    expect((await directory.add(cardOf(bob, 2))).change).toBe('updated')
  })
})

describe('addresses of the owner', () => {
  it('replace those of the card, in their canonical form, each once', async () => {
    const { contact } = await directory.add(cardOf(bob))
    const given = ['/ip6/0::1/tcp/1', ' /dns/A/tcp/2 ', '/ip6/::1/tcp/1']
    const { addresses, addressOverride } = await directory.setAddressOverride(contact.contact, given)
    expect(addresses).toEqual(['/ip6/::1/tcp/1', '/dns/a/tcp/2'])
    expect(addressOverride).toEqual(addresses)
    expect((await directory.setAddressOverride(contact.contact, [])).addresses).toEqual([])
  })

  it('that cannot be dialled are refused', async () => {
    const { contact } = await directory.add(cardOf(bob))
    const nine = Array.from({ length: 9 }, (_, port) => `/dns/a/tcp/${port + 1}`)
    for (const addresses of [['x'], ['/ip4/0.0.0.0/tcp/1'], ['/ip4/192.0.2.1/tcp/0'], nine]) {
      expect(await codeOf(() => directory.setAddressOverride(contact.contact, addresses))).toBe('ADDRESS_INVALID')
    }
    expect(directory.byContact(contact.contact)).toBe(contact)
  })
})

describe('renaming and removing', () => {
  it('renames to any free name', async () => {
    const { contact } = await directory.add(cardOf(bob))
    const { contact: other } = await directory.add(cardOf(carol), 'chris')
    for (const taken of ['chris', 'carol', other.contact]) {
      expect(await codeOf(() => directory.rename(contact.contact, taken))).toBe('NAME_TAKEN')
    }
    expect(await codeOf(() => directory.rename(contact.contact, '-x'))).toBe('NAME_INVALID')
    expect((await directory.rename(contact.contact, ' Robert ')).name).toBe('Robert')
    expect(directory.resolve('Robert').contact).toBe(contact.contact)
    expect((await directory.rename(contact.contact, 'bob')).name).toBe('bob')
    expect((await directory.rename(other.contact, 'Robert')).name).toBe('Robert')
  })

  it('forgets a contact with all that led to it, and lets it be added again as another', async () => {
    const { contact } = await directory.add(cardOf(bob))
    await directory.block(contact.contact, true)
    await directory.remove(contact.contact)
    expect(directory.list()).toEqual([])
    expect(directory.byNodeId(bob.nodeId)).toBeUndefined()
    expect(changes.at(-1)).toMatchObject({ kind: 'removed', contact: { contact: contact.contact } })
    const again = await directory.add(cardOf(bob))
    expect(again.change).toBe('added')
    expect(again.contact.contact).not.toBe(contact.contact)
    expect(again.contact.blocked).toBe(false)
  })

  it('knows no contact that is not there', async () => {
    const missing = 'a'.repeat(16)
    const calls = [
      () => directory.rename(missing, 'x'),
      () => directory.remove(missing),
      () => directory.block(missing, true),
      () => directory.setAddressOverride(missing, null)
    ]
    for (const call of calls) expect(await codeOf(call)).toBe('NO_SUCH_PEER')
  })
})
