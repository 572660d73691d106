import { afterEach, describe, expect, test } from 'vitest'
import { parseCode, parseLink } from '../../../src/peer/pairing/code.ts'
import { encodePairingFrame, PAIR_PROTOCOL } from '../../../src/peer/pairing/frames.ts'
import type { Invited } from '../../../src/peer/pairing/pairing.ts'
import { frameParts } from '../../../src/transport/framing.ts'
import { codeOf, identityNamed } from '../../identity/identities.ts'
import { type PairingHouse, Street } from './street.ts'

let street: Street

async function houses(seed: string): Promise<[PairingHouse, PairingHouse]> {
  street = new Street(seed)
  return [await street.house('alice'), await street.house('bob')]
}

afterEach(() => street.stop())

function joinByLink(joiner: PairingHouse, { link }: Invited, wishes = {}): string {
  const { target, ...secret } = parseLink(link)
  return joiner.pairing.accept(secret, target, wishes).pairing
}

function joinByCode(joiner: PairingHouse, inviter: PairingHouse, code: string): string {
  return joiner.pairing.accept(parseCode(code), { nodeId: undefined, addresses: [inviter.address] }, {}).pairing
}

/** A code of the same invitation that is not its own. */
function wrongCode({ code }: Invited): string {
  return `${code.slice(0, 2)}-${code.endsWith('abacus-abdomen') ? 'zoom-zoology' : 'abacus-abdomen'}`
}

async function isOver(house: PairingHouse, pairing: string): Promise<void> {
  await street.until(() => ['verified', 'failed'].includes(house.last(pairing)?.state ?? ''))
}

describe('two people who share a link or a code', () => {
  test.each(['link', 'code'])('are verified contacts of each other: %s', async form => {
    const [alice, bob] = await houses(`pair by ${form}`)
    const invited = await alice.pairing.invite({ name: 'my bob' })
    const joined = form === 'link' ? joinByLink(bob, invited) : joinByCode(bob, alice, invited.code)
    await isOver(bob, joined)
    await isOver(alice, invited.pairing)
    expect([alice.book, bob.book]).toEqual([{ 'my bob': 'verified' }, { alice: 'verified' }])
    expect(alice.states()).toEqual(['open', 'connected', 'comparing', 'matched', 'pending', 'verified'])
    expect(bob.states()).toEqual(['dialling', 'connected', 'comparing', 'matched', 'pending', 'verified'])
    expect(alice.audit.map(({ action }) => action)).toEqual(['pairing.opened', 'pairing.verified'])
  })

  test('find the invitation dead afterwards, and the protocol gone', async () => {
    const [alice, bob] = await houses('used')
    const carol = await street.house('carol')
    const invited = await alice.pairing.invite({})
    await isOver(bob, joinByLink(bob, invited))
    await isOver(alice, invited.pairing)
    const late = joinByLink(carol, invited)
    await isOver(carol, late)
    expect(carol.last(late)).toMatchObject({ state: 'failed', code: 'NO_SUCH_INVITATION' })
    expect(alice.pairing.admits(carol.keyring.nodeId)).toBe(false)
    expect([alice.book, carol.book]).toEqual([{ bob: 'verified' }, {}])
  })

  test('become verified where they knew each other by card', async () => {
    const [alice, bob] = await houses('known')
    await alice.directory.add(bob.card(), 'bobby')
    const invited = await alice.pairing.invite({})
    await isOver(bob, joinByLink(bob, invited))
    await isOver(alice, invited.pairing)
    expect([alice.book, bob.book]).toEqual([{ bobby: 'verified' }, { alice: 'verified' }])
  })

  test('renew a contact: its keys give way, its name and contact ID stay', async () => {
    const [alice, bob] = await houses('renew')
    const carol = await street.house('carol')
    const before = (await alice.directory.add(carol.card(), 'friend')).contact
    const invited = await alice.pairing.invite({ renew: before.contact })
    await isOver(bob, joinByLink(bob, invited))
    await isOver(alice, invited.pairing)
    const [after] = alice.directory.list()
    expect(after).toMatchObject({ contact: before.contact, name: 'friend', trust: 'verified' })
    expect(after?.card.nodeId).toBe(bob.keyring.nodeId)
  })

  test('are told when the card belongs to another contact, and that one stays as it is', async () => {
    const [alice, bob] = await houses('exists')
    const carol = await street.house('carol')
    await alice.directory.add(bob.card(), 'bob')
    await alice.directory.add(carol.card(), 'carol')
    const { contact } = alice.directory.resolve('carol')
    const invited = await alice.pairing.invite({ renew: contact })
    const joined = joinByLink(bob, invited)
    await isOver(bob, joined)
    await isOver(alice, invited.pairing)
    expect(alice.last(invited.pairing)).toMatchObject({ state: 'failed', code: 'CONTACT_EXISTS' })
    expect(bob.last(joined)).toMatchObject({ state: 'failed', code: 'PAIRING_REFUSED' })
    expect([alice.book, bob.book]).toEqual([{ bob: 'known', carol: 'known' }, {}])
  })
})

describe('a wrong code', () => {
  test('three times: the code is dead, both sides say so, and there is no contact', async () => {
    const [alice, bob] = await houses('wrong')
    const invited = await alice.pairing.invite({})
    for (let n = 1; n <= 3; n++) {
      const joined = joinByCode(bob, alice, wrongCode(invited))
      await isOver(bob, joined)
      expect(bob.last(joined)).toMatchObject({ state: 'failed', code: 'PAIRING_WRONG_CODE' })
      await street.until(() => alice.states().filter(state => state === 'wrong-code').length === n)
    }
    expect(alice.last(invited.pairing)).toMatchObject({ state: 'failed', code: 'PAIRING_EXHAUSTED' })
    const right = joinByCode(bob, alice, invited.code)
    await isOver(bob, right)
    expect(bob.last(right)).toMatchObject({ state: 'failed', code: 'NO_SUCH_INVITATION' })
    expect([alice.book, bob.book]).toEqual([{}, {}])
  })

  test('twice, and then the right one: the try of the match is given back', async () => {
    const [alice, bob] = await houses('third')
    const invited = await alice.pairing.invite({})
    for (let n = 0; n < 2; n++) await isOver(bob, joinByCode(bob, alice, wrongCode(invited)))
    await isOver(bob, joinByCode(bob, alice, invited.code))
    await isOver(alice, invited.pairing)
    expect([alice.book, bob.book]).toEqual([{ bob: 'verified' }, { alice: 'verified' }])
  })

  test('ten times in ten minutes: pairing rests, also after a restart, until the first is ten minutes old', async () => {
    const [alice, bob] = await houses('rest')
    for (let n = 0; n < 10; n++) {
      const invited = await alice.pairing.invite({})
      await isOver(bob, joinByCode(bob, alice, wrongCode(invited)))
      alice.pairing.cancel(invited.pairing)
    }
    expect(await codeOf(() => alice.pairing.invite({}))).toBe('PAIRING_RESTING')
    await alice.crash()
    await alice.start()
    expect(await codeOf(() => alice.pairing.invite({}))).toBe('PAIRING_RESTING')
    await street.clock.advance(10 * 60_000)
    expect((await alice.pairing.invite({})).code).toMatch(/^\d\d-/)
  })
})

describe('an invitation', () => {
  test('is one of at most eight', async () => {
    const [alice] = await houses('eight')
    const open = await Promise.all(Array.from({ length: 8 }, () => alice.pairing.invite({})))
    expect(new Set(open.map(({ code }) => code.slice(0, 2))).size).toBe(8)
    expect(await codeOf(() => alice.pairing.invite({}))).toBe('PAIRING_LIMIT')
  })

  test('dies after ten minutes by the monotonic clock, whatever the wall clock says', async () => {
    const [alice, bob] = await houses('expiry')
    const invited = await alice.pairing.invite({})
    street.clock.stepWall(24 * 60 * 60_000)
    await street.clock.advance(10 * 60_000 - 1_000)
    expect(alice.last(invited.pairing)?.state).toBe('open')
    await street.clock.advance(1_000)
    expect(alice.last(invited.pairing)).toMatchObject({ state: 'failed', code: 'PAIRING_EXPIRED' })
    const late = joinByLink(bob, invited)
    await isOver(bob, late)
    expect(bob.last(late)).toMatchObject({ code: 'NO_SUCH_INVITATION' })
  })

  test('is over when its owner ends it, or the daemon starts anew', async () => {
    const [alice, bob] = await houses('ended')
    const first = await alice.pairing.invite({})
    alice.pairing.cancel(first.pairing)
    expect(alice.last(first.pairing)).toMatchObject({ state: 'failed', code: 'PAIRING_CANCELLED' })
    expect(await codeOf(() => alice.pairing.cancel(first.pairing))).toBe('NO_SUCH_INVITATION')
    const second = await alice.pairing.invite({})
    await alice.crash()
    await alice.start()
    const joined = joinByLink(bob, second)
    await isOver(bob, joined)
    expect(bob.last(joined)).toMatchObject({ code: 'NO_SUCH_INVITATION' })
  })

  test('cannot be joined by its own daemon', async () => {
    const [alice] = await houses('self')
    const joined = joinByLink(alice, await alice.pairing.invite({}))
    await isOver(alice, joined)
    expect(alice.last(joined)).toMatchObject({ state: 'failed', code: 'SELF' })
  })

  test('takes no one whom the owner has blocked', async () => {
    const [alice, bob] = await houses('blocked')
    const { contact } = await alice.directory.add(bob.card(), 'bob')
    await alice.directory.block(contact.contact, true)
    const joined = joinByLink(bob, await alice.pairing.invite({}))
    await isOver(bob, joined)
    expect(bob.last(joined)).toMatchObject({ state: 'failed', code: 'NO_SUCH_INVITATION' })
  })
})

describe('runs on an invitation', () => {
  test('are one at a time, end after 15 s, and at most twenty', async () => {
    const [alice, bob] = await houses('runs')
    const invited = await alice.pairing.invite({})
    const { nameplate } = parseCode(invited.code)
    const mallory = street.transport(identityNamed('mallory'), [])
    await mallory.start({ admitsNode: () => true, refused: () => {} })
    const hello = encodePairingFrame({
      kind: 'hello',
      hello: { form: 'code', nameplate, nonce: new Uint8Array(32), commitment: new Uint8Array(32) }
    })
    for (let run = 1; run <= 20; run++) {
      const stream = await street.run(
        mallory.dial({ address: alice.address, protocol: PAIR_PROTOCOL, signal: new AbortController().signal })
      )
      let isClosed = false
      stream.read({
        data: () => {},
        drained: () => {},
        ended: () => {},
        closed: () => {
          isClosed = true
        }
      })
      stream.write(frameParts([hello]))
      await street.until(() => alice.last(invited.pairing)?.state === 'comparing')
      if (run === 1) {
        const second = joinByLink(bob, invited)
        await isOver(bob, second)
        expect(bob.last(second)).toMatchObject({ code: 'NO_SUCH_INVITATION' })
      }
      if (run === 20) await street.clock.advance(14_000)
      else stream.reset('enough')
      if (run === 20) expect(isClosed).toBe(false)
      await street.until(() => alice.last(invited.pairing)?.state !== 'comparing')
    }
    expect(alice.last(invited.pairing)).toMatchObject({ state: 'failed', code: 'PAIRING_EXHAUSTED' })
    expect(alice.tries.spentCount).toBe(0)
    await mallory.stop()
  })

  test('spend a try on disk before its answer: a store that is lost gives none', async () => {
    const [alice, bob] = await houses('lost store')
    const invited = await alice.pairing.invite({})
    alice.isStoreBroken = true
    const joined = joinByCode(bob, alice, invited.code)
    await isOver(bob, joined)
    expect(bob.last(joined)).toMatchObject({ state: 'failed', code: 'PAIRING_FAILED' })
    expect(alice.states()).not.toContain('matched')
    expect([alice.book, bob.book]).toEqual([{}, {}])
  })
})
