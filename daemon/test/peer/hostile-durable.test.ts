import { beforeEach, describe, expect, it } from 'vitest'
import { type Credit, type DurableLaneOpen, STORED } from '../../src/delivery/port.ts'
import { formatCard, makeCard } from '../../src/identity/card.ts'
import { type Envelope, encodeBatch } from '../../src/peer/envelope.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { identityNamed } from '../identity/identities.ts'
import { RawPeer } from './raw-peer.ts'
import { type House, Town, textBody } from './town.ts'

const random = seededRandomBytes('what mallory says of durable lanes')
const epoch = random(16)
const BOTH = { features: ['durable', 'requests'] }

const laneOpen = (lane: number, channel: string, change: object = {}): Envelope => ({
  laneOpen: { lane, channel, durable: true, epoch, ...change }
})
const run = (lane: number, first: number, ...bodies: Uint8Array[]): Envelope => ({
  run: { ...{ lane, first, acceptedAt: 1, ttlLeftMs: 60_000 }, tag: random(8), maybeDuplicate: false, bodies }
})
const receipt = (change: object = {}): Envelope => ({
  receipt: { epoch, lane: 1_025, state: STORED, from: 1, to: 1, reason: '', ...change } as never
})
const request = (id: Uint8Array): Envelope => ({
  request: { id, name: 'sum', timeLeftMs: 1_000, body: textBody('x') }
})

describe('of durable lanes and requests', () => {
  let town: Town
  let alice: House
  let bob: House
  let mallory: RawPeer

  beforeEach(async () => {
    town = new Town('hostile durable')
    ;[alice, bob] = await town.pair()
    mallory = new RawPeer(town, identityNamed('mallory'))
    const card = makeCard(mallory.keyring, { addresses: ['/ip4/127.0.0.1/tcp/1'], serial: 1, time: 1 })
    await alice.manager.add(formatCard(card), 'mallory')
  })

  /** The stream ends with this counted, and the session with bob goes on, durably. */
  async function endsWith(code: string): Promise<void> {
    await town.until(() => mallory.isClosed || mallory.isEnded, 30_000)
    expect(alice.counters.get(code)).toBe(1)
    expect(alice.failures).toEqual([])
    expect(alice.state('mallory')).not.toBe('established')
    const heard = alice.listen('proof')
    await town.run(bob.post('alice', ['still here'], 'proof'))
    await town.until(() => heard.count === 1)
    expect(alice.state('bob')).toBe('established')
  }

  it.each<[string, string, Envelope[]]>([
    ['a run before its lane_open', 'PROTOCOL_VIOLATION', [run(1_025, 1, textBody('x'))]],
    ['a skip before its lane_open', 'PROTOCOL_VIOLATION', [{ skip: { lane: 1_025, from: 1, to: 2 } }]],
    ['a gap', 'LANE_GAP', [laneOpen(1_025, 'c'), run(1_025, 2, textBody('x'))]],
    ['a skip of the future', 'LANE_GAP', [laneOpen(1_025, 'c'), { skip: { lane: 1_025, from: 3, to: 4 } }]],
    ['an empty run', 'PROTOCOL_VIOLATION', [laneOpen(1_025, 'c'), run(1_025, 1)]],
    [
      'a lane with another channel',
      'PROTOCOL_VIOLATION',
      [laneOpen(1_025, 'c'), run(1_025, 1, textBody('x')), laneOpen(1_025, 'd')]
    ],
    ['an epoch of the wrong size', 'PROTOCOL_VIOLATION', [laneOpen(1_025, 'c', { epoch: random(15) })]],
    ['a durable lane with the number of another', 'PROTOCOL_VIOLATION', [laneOpen(1, 'c')]],
    ['a channel that is no name', 'PROTOCOL_VIOLATION', [laneOpen(1_025, '\u0007')]],
    ['a receipt of state 9', 'PROTOCOL_VIOLATION', [receipt({ state: 9 })]],
    ['a lane that is refused for another reason', 'PROTOCOL_VIOLATION', [laneOpen(1_025, 'c'), reject('TOO_LARGE')]],
    ['a request that it gave no credit for', 'CREDIT_EXCEEDED', manyRequests(2_000)]
  ])('a hostile peer gets nowhere with %s', async (_what, code, envelopes) => {
    await mallory.open(alice, BOTH)
    mallory.envelopes(...envelopes)
    await endsWith(code)
  })

  it.each<[string, Envelope]>([
    ['a durable lane', laneOpen(1_025, 'c')],
    ['a run of a durable lane', run(1_025, 1, textBody('x'))],
    ['a skip', { skip: { lane: 1_025, from: 1, to: 2 } }],
    ['a receipt', receipt()],
    ['credit for a durable lane', { credit: { lane: 1_025, messages: 1, bytes: 1 } }],
    ['credit for requests', { credit: { lane: 0, messages: 1, bytes: 1 } }],
    ['a request', request(random(16))],
    ['a response', { response: { id: random(16), body: textBody('x') } }],
    ['the close of a lane', reject('LANE_CLOSED')]
  ])('%s ends a session where it was not announced', async (_what, envelope) => {
    await mallory.open(alice)
    mallory.envelopes(envelope)
    await endsWith('PROTOCOL_VIOLATION')
  })

  it('a hostile peer gets nowhere with more than it was granted', async () => {
    await mallory.open(alice, BOTH)
    mallory.envelopes(laneOpen(1_025, 'c'))
    const credits: Credit[] = []
    const take = () => {
      for (const envelope of mallory.received())
        if ('credit' in envelope && envelope.credit.lane === 1_025) credits.push(envelope.credit)
      return credits.length
    }
    await town.until(() => take() > 0, 5_000)
    const granted = credits.at(-1)?.messages ?? 0
    mallory.envelopes(run(1_025, 1, ...Array.from({ length: granted + 1 }, () => new Uint8Array(0))))
    await endsWith('CREDIT_EXCEEDED')
  })

  it.each<[string, (lane: DurableLaneOpen) => object]>([
    ['a number', ({ lane }) => ({ lane, to: 2 })],
    ['a lane', ({ lane }) => ({ lane: lane + 1 })]
  ])('a hostile peer gets nowhere with a receipt for %s that was never sent', async (_what, change) => {
    await mallory.open(alice, BOTH)
    await town.run(alice.post('mallory', ['for mallory']))
    const opened: DurableLaneOpen[] = []
    const take = () => {
      for (const envelope of mallory.received())
        if ('laneOpen' in envelope) opened.push(envelope.laneOpen as DurableLaneOpen)
      return opened.length
    }
    await town.until(() => take() > 0, 5_000)
    const [lane] = opened as [DurableLaneOpen]
    mallory.envelopes(receipt({ epoch: lane.epoch, ...change(lane) }))
    await endsWith('PROTOCOL_VIOLATION')
  })

  it('a hostile peer gets no more than 1,024 lanes', async () => {
    await mallory.open(alice, BOTH)
    for (let lane = 1_025; lane <= 2_048; lane++) mallory.envelopes(laneOpen(lane, `c${lane}`))
    await town.clock.advance(1_000)
    expect(alice.state('mallory')).toBe('established')
    mallory.envelopes(laneOpen(2_049, 'one more'))
    await endsWith('CHANNEL_LIMIT')
  })

  it('what comes twice is dropped, and receipted again', async () => {
    const heard = alice.listen('c')
    await mallory.open(alice, BOTH)
    const one = run(1_025, 1, textBody('one'))
    mallory.envelopes(laneOpen(1_025, 'c'), laneOpen(1_025, 'c'), one)
    const stored: Envelope[] = []
    const isStored = (envelope: Envelope) => 'receipt' in envelope && envelope.receipt.state === STORED
    const count = (envelopes: Envelope[]) => stored.push(...envelopes.filter(isStored))
    await town.until(() => count(mallory.received()) >= 1, 5_000)
    mallory.envelopes(one)
    await town.until(() => count(mallory.received()) >= 2, 5_000)
    expect(heard.texts()).toEqual(['one'])
    expect(alice.state('mallory')).toBe('established')
  })

  it('a frame of nothing but skips costs no more than its bytes', async () => {
    await mallory.open(alice, BOTH)
    const skips = Array.from({ length: 4_000 }, (_, n) => ({ skip: { lane: 1_025, from: n + 1, to: n + 1 } }))
    mallory.wrapped(encodeBatch([laneOpen(1_025, 'c'), ...skips]))
    const told: Envelope[] = []
    const isLast = (envelope: Envelope) => 'receipt' in envelope && envelope.receipt.to === 4_000
    await town.until(() => told.push(...mallory.received()) > 0 && told.some(isLast), 5_000)
    expect(told.filter(envelope => 'receipt' in envelope).length).toBeLessThan(100)
    expect(alice.state('mallory')).toBe('established')
  })
})

function reject(code: string): Envelope {
  return { reject: { lane: 1_025, code, text: '' } }
}

function manyRequests(count: number): Envelope[] {
  return Array.from({ length: count }, () => request(random(16)))
}
