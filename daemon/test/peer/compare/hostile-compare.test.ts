import { SecureComparator } from '@parley/protocol'
import { beforeEach, describe, expect, it } from 'vitest'
import { formatCard, makeCard } from '../../../src/identity/card.ts'
import { comparedSecret } from '../../../src/peer/compare/binding.ts'
import { TRY_COUNT_MAX } from '../../../src/peer/compare/tries.ts'
import type { Compare, CompareStep } from '../../../src/peer/envelope.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { identityNamed } from '../../identity/identities.ts'
import { RawPeer } from '../raw-peer.ts'
import { type House, Town, textBody } from '../town.ts'
import { answer, codeOf, start, waitingAt } from './town-compare.ts'

const randomBytes = seededRandomBytes('mallory compares')
const NOTHING = new Uint8Array(0)
const EMPTY = { nonce: NOTHING, question: '', message: NOTHING, result: '' }

/** A contact that knows the format of comparisons, and may do anything with it. */
class Mallory {
  readonly peer: RawPeer
  readonly #house: House
  #transcript = NOTHING
  readonly #heard: Compare[] = []

  constructor(town: Town, house: House) {
    this.peer = new RawPeer(town, identityNamed('mallory'))
    this.#house = house
  }

  async open(): Promise<void> {
    const { peer } = this
    this.#transcript = new Uint8Array(await peer.handshake(this.#house))
    peer.envelopes(peer.hello(this.#house, this.#transcript, { features: ['compare'] }))
    await peer.town.until(() => this.#house.state('mallory') === 'established')
  }

  say(step: CompareStep, id: Uint8Array, fields: Partial<Compare> = {}): void {
    this.peer.envelopes({ compare: { ...EMPTY, id, step, ...fields } })
  }

  /** The next envelope of comparisons. */
  async hear(): Promise<Compare> {
    await this.peer.town.until(() => this.#listen() || this.peer.isClosed)
    const heard = this.#heard.shift()
    if (heard === undefined) throw new Error('nothing more comes')
    return heard
  }

  #listen(): boolean {
    for (const envelope of this.peer.received()) if ('compare' in envelope) this.#heard.push(envelope.compare)
    return this.#heard.length > 0
  }

  /** A comparator for one run, with a secret bound as an honest peer binds it. */
  comparator(
    secret: string,
    id: Uint8Array,
    own: Uint8Array,
    theirs: Uint8Array,
    isInitiator: boolean
  ): SecureComparator {
    const { keyring } = this.peer
    const mine = { publicKey: keyring.publicKeyBytes, id: keyring.id, nonce: own }
    const other = { publicKey: this.#house.keyring.publicKeyBytes, id: this.#house.keyring.id, nonce: theirs }
    const [initiator, responder] = isInitiator ? [mine, other] : [other, mine]
    const comparator = new SecureComparator({ randomBytes })
    comparator.append(
      comparedSecret({ compareId: id, initiator, responder, channel: this.#transcript }, textBody(secret))
    )
    return comparator
  }

  /** Answers a start that it hears. Returns the ID and its comparator. */
  async answer(secret: string): Promise<{ readonly id: Uint8Array; readonly comparator: SecureComparator }> {
    const { id, nonce } = await this.hear()
    const own = randomBytes(32)
    this.say(2, id, { nonce: own })
    return { id, comparator: this.comparator(secret, id, own, nonce, false) }
  }

  /** Starts, has alice answer with `theirs`, and sends message 1. */
  async begin(town: Town, alice: House, mine: string, theirs: string) {
    const id = randomBytes(16)
    const own = randomBytes(32)
    this.say(1, id, { nonce: own })
    const { compare } = await waitingAt(town, alice)
    const answered = answer(alice, compare, theirs)
    const { nonce } = await this.hear()
    const comparator = this.comparator(mine, id, own, nonce, true)
    this.say(3, id, { message: comparator.begin() })
    return { id, comparator, answered }
  }
}

const flipped = (message: Uint8Array, at: number) => message.map((byte, index) => (index === at ? byte ^ 1 : byte))

describe('against a hostile contact a comparison', () => {
  let town: Town
  let alice: House
  let bob: House
  let mallory: Mallory

  beforeEach(async () => {
    town = new Town('hostile compare')
    ;[alice, bob] = await town.pair()
    mallory = new Mallory(town, alice)
    const card = makeCard(mallory.peer.keyring, { addresses: ['/ip4/127.0.0.1/tcp/1'], serial: 1, time: 1 })
    await alice.manager.add(formatCard(card), 'mallory')
    await mallory.open()
  })

  async function again(): Promise<void> {
    mallory.peer.stream?.reset('mallory hangs up')
    await town.until(() => alice.state('mallory') !== 'established')
    mallory = new Mallory(town, alice)
    await mallory.open()
  }

  async function sessionEnds(code: string): Promise<void> {
    await town.until(() => mallory.peer.isClosed || mallory.peer.isEnded)
    expect(alice.counters.get(code)).toBe(1)
    expect(alice.failures).toEqual([])
    expect(alice.state('bob')).toBe('established')
    expect(bob.failures).toEqual([])
  }

  it('works with it as long as it keeps to the rules', async () => {
    const started = start(alice, 'mallory', 's')
    const { id, comparator } = await mallory.answer('s')
    for (let each = 0; each < 2; each++) {
      const reply = comparator.receive((await mallory.hear()).message)
      if (reply !== undefined) mallory.say(3, id, { message: reply })
    }
    expect((await mallory.hear()).result).toBe('match')
    mallory.say(4, id, { result: 'match' })
    expect((await town.run(started)).verdict).toBe('match')
    expect(comparator.result).toBe('match')
  })

  it('has spent a try once the initiator has sent message 3, though the other hangs up', async () => {
    for (let each = 0; each < TRY_COUNT_MAX; each++) {
      const started = start(alice, 'mallory', 'right')
      const { id, comparator } = await mallory.answer('guess')
      mallory.say(3, id, { message: comparator.receive((await mallory.hear()).message) as Uint8Array })
      comparator.receive((await mallory.hear()).message)
      expect(comparator.result).toBe('no-match')
      await again()
      expect(await codeOf(started)).toBe('PEER_OFFLINE')
    }
    expect(await town.run(codeOf(start(alice, 'mallory', 'right')))).toBe('COMPARE_LOCKED')
  })

  it('has spent a try once the responder has computed message 4, though the other hangs up', async () => {
    for (let each = 0; each < TRY_COUNT_MAX; each++) {
      const { id, comparator, answered } = await mallory.begin(town, alice, 'guess', 'right')
      mallory.say(3, id, { message: comparator.receive((await mallory.hear()).message) as Uint8Array })
      comparator.receive((await mallory.hear()).message)
      expect(comparator.result).toBe('no-match')
      await again()
      expect((await answered).verdict).toBe('no-match')
    }
    mallory.say(1, randomBytes(16), { nonce: randomBytes(32) })
    expect(await mallory.hear()).toMatchObject({ step: 5, result: 'LOCKED' })
    expect(alice.comparisons.waiting()).toEqual([])
  })

  it('costs no try where the other hangs up before there is anything to learn', async () => {
    for (let each = 0; each <= TRY_COUNT_MAX; each++) {
      const started = start(alice, 'mallory', 'right')
      await mallory.answer('guess')
      await mallory.hear()
      await again()
      expect(await codeOf(started)).toBe('PEER_OFFLINE')
    }
    for (let each = 0; each <= TRY_COUNT_MAX; each++) {
      const { answered } = await mallory.begin(town, alice, 'guess', 'right')
      await mallory.hear()
      await again()
      expect(await codeOf(answered)).toBe('PEER_OFFLINE')
    }
    const started = start(alice, 'mallory', 'right')
    await mallory.answer('right')
    expect((await mallory.hear()).step).toBe(3)
    alice.comparisons.cancel(alice.manager.resolve('mallory'), undefined)
    expect(await town.run(codeOf(started))).toBe('STOPPED')
  })

  it.each([0, 33, 70, 200, 300])('ends at once on a message 2 whose byte %i is another', async at => {
    const started = start(alice, 'mallory', 's')
    const { id, comparator } = await mallory.answer('s')
    const reply = comparator.receive((await mallory.hear()).message) as Uint8Array
    mallory.say(3, id, { message: flipped(reply, at) })
    expect(await mallory.hear()).toMatchObject({ step: 5, result: 'TAMPERED' })
    expect(await codeOf(started)).toBe('TAMPERED')
  })

  it('ends at once on a message 1 or 3 that is not genuine, and says nothing of the secret', async () => {
    const id = randomBytes(16)
    mallory.say(1, id, { nonce: randomBytes(32) })
    const { compare } = await waitingAt(town, alice)
    const first = answer(alice, compare, 's')
    await mallory.hear()
    mallory.say(3, id, { message: randomBytes(192) })
    expect(await mallory.hear()).toMatchObject({ step: 5, result: 'TAMPERED' })
    expect(await codeOf(first)).toBe('TAMPERED')
    const run = await mallory.begin(town, alice, 's', 's')
    const third = run.comparator.receive((await mallory.hear()).message) as Uint8Array
    mallory.say(3, run.id, { message: flipped(third, 100) })
    expect(await mallory.hear()).toMatchObject({ step: 5, result: 'TAMPERED' })
    expect(await codeOf(run.answered)).toBe('TAMPERED')
  })

  it('is a disagreement where the other lies about its result, and verifies nobody', async () => {
    const verify = { purpose: 'verify' } as const
    const started = start(alice, 'mallory', 'right', verify)
    const { id, nonce } = await mallory.hear()
    const own = randomBytes(32)
    mallory.say(2, id, { nonce: own, result: 'verify' })
    const comparator = mallory.comparator('wrong', id, own, nonce, false)
    for (let each = 0; each < 2; each++) {
      mallory.say(3, id, { message: comparator.receive((await mallory.hear()).message) as Uint8Array })
    }
    expect((await mallory.hear()).result).toBe('no-match')
    mallory.say(4, id, { result: 'match' })
    expect(await town.run(started)).toMatchObject({ verdict: 'disagree', verified: false })
    expect(alice.verified).toEqual([])
  })

  it('is a disagreement where the other says nothing in time', async () => {
    const started = start(alice, 'mallory', 's')
    const { id, comparator } = await mallory.answer('s')
    for (let each = 0; each < 2; each++) {
      mallory.say(3, id, { message: comparator.receive((await mallory.hear()).message) as Uint8Array })
    }
    expect((await town.run(started)).verdict).toBe('disagree')
  })

  it('is over in time where the other stops in the middle', async () => {
    const started = start(alice, 'mallory', 's')
    await mallory.answer('s')
    const before = town.clock.monotonicMs()
    expect(await town.run(codeOf(started))).toBe('TIMED_OUT')
    expect(town.clock.monotonicMs() - before).toBeLessThan(16_000)
  })

  it('ends the session on an answer to what was never asked', async () => {
    mallory.say(2, randomBytes(16), { nonce: randomBytes(32) })
    await sessionEnds('PROTOCOL_VIOLATION')
  })

  it('ends the session on a message of the comparator that comes unasked', async () => {
    mallory.say(3, randomBytes(16), { message: randomBytes(192) })
    await sessionEnds('PROTOCOL_VIOLATION')
  })

  it('ends the session on a message before the answer', async () => {
    const started = start(alice, 'mallory', 's')
    const { id } = await mallory.hear()
    mallory.say(3, id, { message: randomBytes(352) })
    await sessionEnds('PROTOCOL_VIOLATION')
    expect(await codeOf(started)).toBe('COMPARE_REFUSED')
  })

  it('ends the session on a result that comes too early', async () => {
    const started = start(alice, 'mallory', 's')
    const { id } = await mallory.answer('s')
    mallory.say(4, id, { result: 'match' })
    await sessionEnds('PROTOCOL_VIOLATION')
    expect(await codeOf(started)).toBe('COMPARE_REFUSED')
  })

  it('ends the session on a start that is there already', async () => {
    const id = randomBytes(16)
    mallory.say(1, id, { nonce: randomBytes(32) })
    await waitingAt(town, alice)
    mallory.say(1, id, { nonce: randomBytes(32) })
    await sessionEnds('PROTOCOL_VIOLATION')
    expect(alice.comparisons.waiting()).toEqual([])
  })

  it('ends the session on a second answer, and on two answers to one that was taken back', async () => {
    const gone = new AbortController()
    const started = start(alice, 'mallory', 's', { signal: gone.signal })
    const { id } = await mallory.hear()
    gone.abort()
    expect(await mallory.hear()).toMatchObject({ step: 5, result: 'CANCELLED' })
    expect(await codeOf(started)).toBe('STOPPED')
    mallory.say(2, id, { nonce: randomBytes(32) })
    expect(await mallory.hear()).toMatchObject({ step: 5, result: 'CANCELLED' })
    mallory.say(2, id, { nonce: randomBytes(32) })
    await sessionEnds('PROTOCOL_VIOLATION')
  })

  it('tells of one start and of no flood of them', async () => {
    for (let each = 0; each <= 100; each++) mallory.say(1, randomBytes(16), { nonce: randomBytes(32) })
    await sessionEnds('FLOODED')
    expect(alice.events.filter(({ kind }) => kind === 'compare.waiting')).toHaveLength(1)
  })

  it('is asked for ten times a minute at most, however often it is taken back', async () => {
    for (let each = 0; each < 30; each++) {
      const id = randomBytes(16)
      mallory.say(1, id, { nonce: randomBytes(32) })
      mallory.say(5, id, { result: 'CANCELLED' })
      await town.clock.advance(100)
    }
    expect(alice.state('mallory')).toBe('established')
    expect(alice.events.filter(({ kind }) => kind === 'compare.waiting')).toHaveLength(10)
  })

  it('cannot be carried from one session into another, though all three hold the same secret', async () => {
    const card = makeCard(mallory.peer.keyring, { addresses: ['/ip4/127.0.0.1/tcp/1'], serial: 1, time: 1 })
    await bob.manager.add(formatCard(card), 'mallory')
    const toBob = new Mallory(town, bob)
    await toBob.open()
    const started = start(alice, 'mallory', 'the same')
    const { id, nonce } = await mallory.hear()
    toBob.say(1, id, { nonce })
    const answered = answer(bob, (await waitingAt(town, bob)).compare, 'the same')
    mallory.say(2, id, { nonce: (await toBob.hear()).nonce })
    for (let each = 0; each < 2; each++) {
      toBob.say(3, id, { message: (await mallory.hear()).message })
      mallory.say(3, id, { message: (await toBob.hear()).message })
    }
    const { step, result } = await mallory.hear()
    expect({ step, result }).toEqual({ step: 4, result: 'no-match' })
    toBob.say(4, id, { result: 'match' })
    mallory.say(4, id, { result: 'match' })
    expect((await town.run(started)).verdict).toBe('disagree')
    expect((await town.run(answered)).verdict).toBe('disagree')
  })

  it('never is with what was not announced', async () => {
    const silent = new RawPeer(town, identityNamed('silent'))
    const card = makeCard(silent.keyring, { addresses: ['/ip4/127.0.0.1/tcp/2'], serial: 1, time: 1 })
    await alice.manager.add(formatCard(card), 'silent')
    await silent.open(alice)
    silent.envelopes({ compare: { ...EMPTY, id: randomBytes(16), step: 1, nonce: randomBytes(32) } })
    await town.until(() => silent.isClosed || silent.isEnded)
    expect(alice.counters.get('PROTOCOL_VIOLATION')).toBe(1)
  })
})
