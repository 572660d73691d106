import { ERRORS, type MessageState, type PeerInfo, type PeerSessionInfo } from '@parley/client-sdk/contract'
import { describe, expect, it } from 'vitest'
import type { MessageFacts } from '../../src/delivery/outbox-api.ts'
import { type PeerSurroundings, whyMessage, whyPeer } from '../../src/observe/why.ts'

const AROUND: PeerSurroundings = { nowMs: 10_000, isAllowed: true, trouble: undefined, storeTrouble: undefined }
const UP: PeerSessionInfo = { state: 'established', since: 5_000, features: ['durable', 'requests'] }

function peerInfo(session: PeerSessionInfo, more: Partial<PeerInfo> = {}): PeerInfo {
  return {
    ...{ contact: 'c1', name: 'bob', id: 'bob@host', nodeId: 'n', fingerprint: 'f', trust: 'known', lineage: 'l' },
    ...{ addresses: [], addressOverride: null, cardSerial: 1, addedAt: 1, session, queue: { messages: 0, bytes: 0 } },
    ...more
  }
}

const offline = (code: string, more: Partial<PeerSessionInfo> = {}): PeerSessionInfo => ({
  ...{ state: 'offline', since: 4_000, lastEnd: { code, detail: 'detail', at: 4_000 } },
  ...more
})

const facts = (state: MessageState, more: Partial<MessageFacts> = {}): MessageFacts => ({
  ...{ contact: 'c1', channel: 'chat', state },
  ...more
})

describe('why a peer', () => {
  it.each<[string, PeerInfo, Partial<PeerSurroundings>, string, RegExp, RegExp]>([
    ['in session', peerInfo(UP), {}, 'established', /bob is in session/, /Nothing/],
    ['dialled', peerInfo({ state: 'dialling', since: 1 }), {}, 'dialling', /being dialled/, /by itself/],
    ['never reached', peerInfo({ state: 'offline', since: 1 }), {}, 'offline', /not been reached/, /peer show bob/],
    [
      'backing off',
      peerInfo(offline('DIAL_FAILED', { nextDialAt: 13_500 })),
      {},
      'offline',
      /nothing answers.*next dial is in 4 s/,
      /daemon runs/
    ],
    ['not accepted', peerInfo(offline('NOT_ACCEPTED')), {}, 'offline', /hangs up/, /parley card/],
    ['another node', peerInfo(offline('WRONG_NODE')), {}, 'offline', /another node/, /new card/],
    ['of another version', peerInfo(offline('VERSION_MISMATCH')), {}, 'offline', /version/, /same release/],
    ['ended by a newer code', peerInfo(offline('NEW_CODE')), {}, 'offline', /NEW_CODE/, /by itself/],
    ['blocked', peerInfo(UP, { trust: 'blocked' }), { isAllowed: false }, 'blocked', /blocked/, /block bob --off/],
    ['untrusted', peerInfo(UP), { isAllowed: false }, 'untrusted', /bob is known/, /Verify/],
    ['quarantined', peerInfo(offline('FAILED')), { trouble: 'QUARANTINED' }, 'quarantined', /too often/, /restart/],
    [
      'waiting for the store here, which is named first',
      peerInfo(UP),
      { storeTrouble: 'STORE_UNAVAILABLE' },
      'established',
      /^the store here cannot be used \(STORE_UNAVAILABLE\).*bob is in session/,
      /Look at the disk/
    ],
    [
      'with a queue',
      peerInfo(UP, { queue: { messages: 2, bytes: 9 } }),
      {},
      'established',
      /in session; 2 messages wait/,
      /parley why/
    ],
    [
      'that takes nothing durable',
      peerInfo({ ...UP, features: ['requests'] }, { queue: { messages: 1, bytes: 9 } }),
      {},
      'established',
      /takes no messages that are kept now: 1 message waits/,
      /release/
    ]
  ])('is %s', (_name, peer, around, state, cause, action) => {
    const why = whyPeer(peer, { ...AROUND, ...around })
    expect(why).toMatchObject({ subject: 'peer', state })
    expect(why.cause).toMatch(cause)
    expect(why.action).toMatch(action)
  })

  it('has one line of each, with no placeholder left, for every way in which a session ends', () => {
    const codes = ['FLOODED', 'GLARE', 'LANE_GAP', 'STORE_REOPENED', 'STOPPING', ...Object.keys(ERRORS)]
    for (const code of codes) {
      const { cause, action } = whyPeer(peerInfo(offline(code)), AROUND)
      for (const line of [cause, action]) expect(line).toMatch(/^(?!.*\b(NAME|CHANNEL)\b).+$/)
    }
  })
})

describe('why a message', () => {
  const up = peerInfo(UP)
  const down = peerInfo(offline('DIAL_FAILED'))
  it.each<[string, MessageFacts, PeerInfo | undefined, RegExp, RegExp]>([
    ['waits for a peer that is offline', facts('accepted', { waitsFor: 'session' }), down, /nothing answers/, /runs/],
    ['is about to leave', facts('accepted', { waitsFor: 'session' }), up, /about to leave/, /by itself/],
    [
      'waits for a daemon that keeps nothing',
      facts('accepted', { waitsFor: 'session' }),
      peerInfo({ ...UP, features: [] }),
      /takes no messages that are kept/,
      /durable: false/
    ],
    ['waits for credit', facts('accepted', { waitsFor: 'credit' }), up, /bob takes no more on channel chat/, /read/],
    ['waits for its turn', facts('accepted', { waitsFor: 'turn' }), up, /others go before/, /by itself/],
    ['waits for the store', facts('accepted', { waitsFor: 'store' }), up, /store/, /disk/],
    ['waits for a clone to stop', facts('accepted', { waitsFor: 'epochs' }), up, /runs twice/, /copy/],
    ['is held for another key', facts('accepted', { waitsFor: 'key' }), up, /another key/, /new key/],
    ['waits for nobody', facts('accepted'), undefined, /contact was removed/, /./],
    ['is on its way', facts('sent'), up, /on its way/, /by itself/],
    ['was on its way', facts('sent'), down, /goes again when bob is back: nothing answers/, /runs/],
    ['is stored and not handled', facts('stored'), up, /no program there has acknowledged/, /reads channel chat/],
    ['is handled', facts('handled'), up, /acknowledged/, /Nothing/],
    ['is expiring', facts('expiring'), down, /may have arrived/, /30 days/],
    ['expired, and did not arrive', facts('expired', { reached: 'no' }), up, /will not arrive/, /again/],
    ['expired, and may have arrived', facts('expired', { reached: 'maybe' }), up, /nobody knows/, /Ask bob/],
    ['was not handled in time', facts('rejected', { reason: 'NOT_HANDLED' }), up, /as long as/, /channel chat/],
    ['was refused by an app', facts('rejected', { reason: 'no \u202espace' }), up, /refused it: no space/, /reason/],
    ['is of a damaged record', facts('rejected', { reason: 'RECORD_DAMAGED' }), up, /damaged/, /disk/],
    ['was taken back', facts('cancelled'), up, /before it left/, /never/],
    ['was taken back for a reason', facts('cancelled', { reason: 'REMOVED' }), up, /removed or blocked/, /never/]
  ])('%s', (_name, message, peer, cause, action) => {
    const why = whyMessage(message, peer, AROUND)
    expect(why).toMatchObject({ subject: 'message', state: message.state })
    expect(why.cause).toMatch(cause)
    expect(why.action).toMatch(action)
    for (const line of [why.cause, why.action]) expect(line).not.toMatch(/\b(NAME|CHANNEL)\b|\n/)
  })

  it('says since when, where that is known', () => {
    expect(whyMessage(facts('accepted', { waitsFor: 'credit', acceptedAt: 7 }), up, AROUND).since).toBe(7)
    expect(whyMessage(facts('accepted'), down, AROUND).since).toBe(4_000)
    expect(whyMessage(facts('handled'), up, AROUND)).not.toHaveProperty('since')
  })
})
