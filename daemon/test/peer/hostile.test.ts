import { SecureSession } from '@parley/protocol'
import { beforeEach, describe, expect, it } from 'vitest'
import { formatCard, makeCard } from '../../src/identity/card.ts'
import { type Envelope, encodeBatch, type Hello } from '../../src/peer/envelope.ts'
import { seededRandomBytes } from '../../src/random.ts'
import { identityNamed } from '../identity/identities.ts'
import { RawPeer } from './raw-peer.ts'
import { type House, Town, textBody } from './town.ts'

const random = seededRandomBytes('what mallory says')
const EMPTY = new Uint8Array(0)

describe('against a hostile peer a daemon', () => {
  let town: Town
  let alice: House
  let bob: House
  let mallory: RawPeer

  beforeEach(async () => {
    town = new Town('hostile')
    ;[alice, bob] = await town.pair()
    mallory = new RawPeer(town, identityNamed('mallory'))
    const card = makeCard(mallory.keyring, { addresses: ['/ip4/127.0.0.1/tcp/1'], serial: 1, time: 1 })
    await alice.manager.add(formatCard(card), 'mallory')
  })

  /** The stream ends with this counted, and the session with bob goes on. */
  async function endsWith(code: string): Promise<void> {
    await town.until(() => mallory.isClosed || mallory.isEnded, 30_000)
    expect(alice.counters.get(code)).toBe(1)
    expect(alice.failures).toEqual([])
    expect(alice.state('mallory')).not.toBe('established')
    const heard = bob.listen('proof')
    const sent = alice.send('bob', [textBody('still here')], 'proof')
    await town.until(() => heard.count === 1)
    await sent
    expect(alice.state('bob')).toBe('established')
  }

  it('tells a stranger nothing', async () => {
    const stranger = new RawPeer(town, identityNamed('stranger'))
    await stranger.dial(alice)
    await town.until(() => stranger.isClosed, 5_000)
    expect(stranger.bytesReceived).toBe(0)
    expect(alice.refusals).toContainEqual(
      expect.objectContaining({ reason: 'stranger', nodeId: stranger.keyring.nodeId })
    )
  })

  it('closes on a message 1 signed with another key', async () => {
    const other = identityNamed('other key')
    await mallory.dial(alice)
    const session = SecureSession.create({
      role: 'client',
      id: textBody('mallory'),
      privateKey: other.identityKey(),
      randomBytes: random,
      receivePolicy: 'ordered'
    })
    mallory.frame(EMPTY)
    mallory.frame(session.connectRequest())
    await endsWith('AUTHENTICATION_FAILED')
    expect(mallory.bytesReceived).toBe(0)
  })

  it('closes on the ID of another contact, without a word', async () => {
    await mallory.dial(alice)
    mallory.frame(EMPTY)
    mallory.frame(mallory.messageOne('bob'))
    await endsWith('AUTHENTICATION_FAILED')
    expect(mallory.bytesReceived).toBe(0)
  })

  it('closes on a message 1 of another contact, played again from this node', async () => {
    const captured = SecureSession.create({
      role: 'client',
      id: textBody('bob'),
      privateKey: bob.keyring.identityKey(),
      randomBytes: random,
      receivePolicy: 'ordered'
    }).connectRequest()
    await mallory.dial(alice)
    mallory.frame(EMPTY)
    mallory.frame(captured)
    await endsWith('AUTHENTICATION_FAILED')
    expect(mallory.bytesReceived).toBe(0)
  })

  it('gets nowhere with its own message 1, played again', async () => {
    await mallory.open(alice)
    const again = new RawPeer(town, mallory.keyring)
    await again.dial(alice)
    again.frame(EMPTY)
    again.frame(mallory.messageOne())
    await again.next(2)
    again.frame(random(100))
    await town.until(() => again.isClosed, 5_000)
    expect(alice.counters.get('AUTHENTICATION_FAILED')).toBe(1)
    expect(alice.state('mallory')).toBe('established')
  })

  it('closes on garbage', async () => {
    await mallory.dial(alice)
    mallory.frame(EMPTY)
    mallory.frame(random(500))
    await endsWith('AUTHENTICATION_FAILED')
  })

  it('closes on a frame without end before it is read', async () => {
    await mallory.dial(alice)
    mallory.bytes(Uint8Array.of(0x00, 0xff, 0xff, 0xff, 0x7f))
    await endsWith('FRAME_TOO_LARGE')
  })

  it('closes on a frame without end after the handshake too', async () => {
    await mallory.open(alice)
    mallory.bytes(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))
    await endsWith('FRAME_TOO_LARGE')
  })

  it('closes on a peer that opens a stream and says nothing, at the deadline', async () => {
    await mallory.dial(alice)
    await town.clock.advance(9_000)
    expect(mallory.isClosed).toBe(false)
    await town.clock.advance(1_500)
    expect(mallory.isClosed).toBe(true)
    expect(
      alice.counters.get('HANDSHAKE_TIMED_OUT') +
        alice.refusals.filter(({ reason }) => reason === 'unproven-deadline').length
    ).toBe(1)
  })

  it('closes on a peer that drips bytes, at the same deadline', async () => {
    await mallory.dial(alice)
    const bytes = [0x00, 0xff, 0x1f]
    for (let second = 0; second < 12 && !mallory.isClosed; second++) {
      mallory.bytes(Uint8Array.of(bytes[second] ?? 0x55))
      await town.clock.advance(1_000)
    }
    expect(mallory.isClosed).toBe(true)
    expect(alice.state('bob')).toBe('established')
  })

  it('closes on a frame played again', async () => {
    await mallory.open(alice)
    const parts =
      mallory.session?.wrapParts([encodeBatch([{ ping: { nonce: random(8), reply: true, rekey: false } }])], 1_000) ??
      []
    mallory.frame(...parts)
    mallory.frame(...parts)
    await endsWith('AUTHENTICATION_FAILED')
  })

  it.each<[string, Partial<Hello>]>([
    ['transcript', { transcript: random(32) }],
    ['own node ID', { ownNodeId: random(38) }],
    ['peer node ID', { peerNodeId: random(38) }],
    ['own fingerprint', { ownFingerprint: random(32) }],
    ['peer fingerprint', { peerFingerprint: random(32) }],
    ['protocol', { protocol: '/parley/session/2.0.0' }],
    ['boot ID', { bootId: random(3) }],
    ['limit of frames', { limits: { messageBytes: 1_048_576, frameBytes: 1_048_576, lanes: 1_024 } }]
  ])('closes on a hello whose %s differs', async (_field, change) => {
    const transcript = await mallory.handshake(alice)
    mallory.envelopes(mallory.hello(alice, transcript, change))
    await endsWith('HELLO_MISMATCH')
  })

  it('closes where the first envelope is no hello', async () => {
    await mallory.handshake(alice)
    mallory.envelopes({ ping: { nonce: random(8), reply: false, rekey: false } })
    await endsWith('HELLO_MISMATCH')
  })

  it('closes on a required feature that it does not have, and waits long before the next dial', async () => {
    const transcript = await mallory.handshake(alice)
    mallory.envelopes(mallory.hello(alice, transcript, { requiredFeatures: ['telepathy'] }))
    await endsWith('VERSION_MISMATCH')
    const { nextDialAt, lastEnd } = alice.manager.get('mallory').session
    expect(lastEnd?.code).toBe('VERSION_MISMATCH')
    expect(nextDialAt).toBeGreaterThan(town.clock.wallMs() + 200_000)
  })

  it('ignores what it does not know, unless it is marked required', async () => {
    await mallory.open(alice)
    mallory.wrapped(Uint8Array.of(0x0a, 0x03, 0xba, 0x06, 0x00)) // an envelope with field 103
    mallory.envelopes({ ping: { nonce: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), reply: false, rekey: false } })
    await town.until(() => mallory.received().some(envelope => 'ping' in envelope && envelope.ping.reply), 5_000)
    mallory.wrapped(Uint8Array.of(0x0a, 0x05, 0x08, 0x01, 0xba, 0x06, 0x00))
    await endsWith('PROTOCOL_VIOLATION')
  })

  /** Opens lane 1 on a channel that is listened to, and waits for its credit. */
  async function openLane(): Promise<void> {
    alice.listen('c')
    await mallory.open(alice)
    mallory.envelopes({ laneOpen: { lane: 1, channel: 'c', durable: false } })
    await town.until(() => mallory.received().some(envelope => 'credit' in envelope), 5_000)
  }
  const run = (lane: number, first: number, ...bodies: Uint8Array[]): Envelope => ({
    run: { lane, first, acceptedAt: 1, bodies }
  })

  it('closes on a lane gap', async () => {
    await openLane()
    mallory.envelopes(run(1, 1, textBody('one')))
    mallory.envelopes(run(1, 3, textBody('three')))
    await endsWith('LANE_GAP')
  })

  it('closes on a run that comes twice', async () => {
    await openLane()
    mallory.envelopes(run(1, 1, textBody('one')))
    mallory.envelopes(run(1, 1, textBody('one')))
    await endsWith('LANE_GAP')
  })

  it.each<[string, string, Envelope]>([
    ['a run in no lane', 'PROTOCOL_VIOLATION', run(9, 1, textBody('x'))],
    ['an empty run', 'PROTOCOL_VIOLATION', run(1, 1)],
    ['a message over the limit', 'PROTOCOL_VIOLATION', run(1, 1, new Uint8Array(1024 * 1024 + 1))],
    ['more than it gave credit for', 'CREDIT_EXCEEDED', run(1, 1, ...Array.from({ length: 40_000 }, () => EMPTY))],
    ['a lane out of order', 'PROTOCOL_VIOLATION', { laneOpen: { lane: 7, channel: 'x', durable: false } }],
    ['a second lane of a channel', 'PROTOCOL_VIOLATION', { laneOpen: { lane: 2, channel: 'c', durable: false } }],
    ['a durable lane', 'PROTOCOL_VIOLATION', { laneOpen: { lane: 2, channel: 'd', durable: true } }],
    ['a channel that is no name', 'PROTOCOL_VIOLATION', { laneOpen: { lane: 2, channel: '\u0007', durable: false } }],
    ['credit for no lane', 'PROTOCOL_VIOLATION', { credit: { lane: 1, messages: 1, bytes: 1 } }],
    ['a ping of the wrong size', 'PROTOCOL_VIOLATION', { ping: { nonce: random(9), reply: false, rekey: false } }]
  ])('closes on %s', async (_what, code, envelope) => {
    await openLane()
    mallory.envelopes(envelope)
    await endsWith(code)
  })

  it('closes on a run that it gave no credit for, since nobody listens', async () => {
    await mallory.open(alice)
    mallory.envelopes({ laneOpen: { lane: 1, channel: 'unheard', durable: false } }, run(1, 1, textBody('x')))
    await endsWith('CREDIT_EXCEEDED')
  })

  it('closes on a lane too many', async () => {
    await mallory.open(alice)
    for (let lane = 1; lane <= 1_025; lane++)
      mallory.envelopes({ laneOpen: { lane, channel: `c${lane}`, durable: false } })
    await endsWith('CHANNEL_LIMIT')
  })

  it('closes on an envelope after the last one', async () => {
    await mallory.open(alice)
    mallory.envelopes({ end: {} }, { ping: { nonce: random(8), reply: false, rekey: false } })
    await endsWith('PROTOCOL_VIOLATION')
  })

  it('closes on pings without end, whose replies would fill its memory', async () => {
    await mallory.open(alice)
    const ping = { ping: { nonce: random(8), reply: false, rekey: false } }
    mallory.envelopes(...Array.from({ length: 65 }, () => ping))
    await endsWith('FLOODED')
  })

  it('answers as many pings as a slow network may bring at once', async () => {
    await mallory.open(alice)
    const ping = { ping: { nonce: random(8), reply: false, rekey: false } }
    mallory.envelopes(...Array.from({ length: 64 }, () => ping))
    const replies: Envelope[] = []
    const isReply = (envelope: Envelope) => 'ping' in envelope && envelope.ping.reply
    await town.until(() => replies.push(...mallory.received().filter(isReply)) === 64, 5_000)
    expect(alice.state('mallory')).toBe('established')
  })

  it('takes the newest of many cards that come at once, and leaves out those between', async () => {
    await mallory.open(alice)
    const cardOf = (serial: number) =>
      makeCard(mallory.keyring, { addresses: ['/ip4/127.0.0.1/tcp/1'], serial, time: 1 }).bytes
    mallory.envelopes(...Array.from({ length: 50 }, (_, n) => ({ card: { card: cardOf(n + 2) } })))
    await town.until(() => alice.manager.get('mallory').cardSerial === 51, 5_000)
    expect(alice.events.filter(({ kind }) => kind === 'peer.updated')).toHaveLength(2)
    expect(alice.state('mallory')).toBe('established')
  })

  it('goes on after a card of somebody else', async () => {
    await mallory.open(alice)
    const [wrong, right] = [identityNamed('stranger'), mallory.keyring].map(
      keyring => makeCard(keyring, { addresses: [], serial: 2, time: 1 }).bytes
    ) as [Uint8Array, Uint8Array]
    mallory.envelopes({ card: { card: wrong } }, { card: { card: EMPTY } }, { card: { card: right } })
    await town.until(() => alice.manager.get('mallory').cardSerial === 2, 5_000)
    expect(alice.counters.get('cards_refused')).toBe(1)
    expect(alice.state('mallory')).toBe('established')
  })

  it('tells of a clock that is wrong beyond all numbers in a number that programs can read', async () => {
    await mallory.open(alice)
    mallory.wrapped(encodeBatch([{ ping: { nonce: random(8), reply: false, rekey: false } }]), Number.MAX_SAFE_INTEGER)
    const skews = () => alice.events.flatMap(event => (event.kind === 'peer.skew' ? [event.skewMs] : []))
    await town.until(() => skews().length > 0, 5_000)
    expect(skews().every(Number.isSafeInteger)).toBe(true)
  })

  it('refuses more handshakes at a time than are allowed', async () => {
    const { handshakesAtOncePerContact } = alice.config.limits
    const others = Array.from({ length: handshakesAtOncePerContact + 1 }, () => new RawPeer(town, mallory.keyring))
    for (const other of others) await other.dial(alice)
    await town.until(() => others.some(({ isClosed }) => isClosed), 5_000)
    expect(alice.counters.get('HANDSHAKE_LIMIT')).toBeGreaterThan(0)
  })
})
