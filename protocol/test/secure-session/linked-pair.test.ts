import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import type { ReceivePolicy } from '../../src/secure-session/receive-policy.ts'
import type { SecureSession } from '../../src/secure-session/session.ts'
import { ALICE, BOB, establishedPair, type Identity, NOW_SECONDS, openSession, receiveFrom } from '../support/peers.ts'
import { flipped } from '../support/random.ts'

/** What a bad link does to the next message on it. */
const fault = fc.oneof(
  { weight: 4, arbitrary: fc.constant('deliver' as const) },
  fc.constantFrom('drop' as const, 'repeat' as const, 'delay' as const, 'truncate' as const, 'corrupt' as const)
)
type Fault = 'deliver' | 'drop' | 'repeat' | 'delay' | 'truncate' | 'corrupt'

/** One direction: messages go in, and come out as the faults say. */
class FaultyLink {
  readonly #faults: Fault[]
  #delayed: Uint8Array[] = []

  constructor(faults: readonly Fault[]) {
    this.#faults = [...faults]
  }

  carry(message: Uint8Array): Uint8Array[] {
    const late = this.#delayed
    this.#delayed = []
    switch (this.#faults.shift() ?? 'deliver') {
      case 'deliver':
        return [message, ...late]
      case 'drop':
        return late
      case 'repeat':
        return [message, message, ...late]
      case 'delay':
        this.#delayed = [message]
        return late
      case 'truncate':
        return [message.subarray(0, message.length >> 1), ...late]
      case 'corrupt':
        return [flipped(message, message.length - 1), ...late]
    }
  }
}

/** Two sessions over two faulty links; the one that waits is answered by its peer repeating its last message. */
class LinkedPair {
  readonly client: SecureSession = openSession('client', ALICE)
  readonly server: SecureSession = openSession('server', BOB)
  readonly #toServer: FaultyLink
  readonly #toClient: FaultyLink
  #clientSaid: Uint8Array
  #serverSaid: Uint8Array | undefined

  constructor(toServer: readonly Fault[], toClient: readonly Fault[]) {
    this.#toServer = new FaultyLink(toServer)
    this.#toClient = new FaultyLink(toClient)
    this.#clientSaid = this.client.connectRequest()
  }

  /** Runs rounds of repetition until both are established. Gives the rounds it took, at most `limit`. */
  establish(limit: number): number {
    for (let round = 1; round <= limit; round++) {
      for (const message of this.#toServer.carry(this.#clientSaid)) {
        this.#serverSaid = receiveOrIgnore(this.server, ALICE, message) ?? this.#serverSaid
      }
      for (const message of this.#serverSaid ? this.#toClient.carry(this.#serverSaid) : []) {
        this.#clientSaid = receiveOrIgnore(this.client, BOB, message) ?? this.#clientSaid
      }
      if (this.client.established && this.server.established) return round
    }
    return limit
  }
}

/** A receiver that ignores what is refused, as one that must live on a bad link would. */
function receiveOrIgnore(session: SecureSession, peer: Identity, message: Uint8Array): Uint8Array | undefined {
  try {
    return receiveFrom(session, peer, message).reply
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

describe('a handshake over a bad link', () => {
  test('is completed by repetition, whatever is lost, repeated, delayed, cut or corrupted', () => {
    const faults = fc.array(fault, { maxLength: 8 })
    fc.assert(
      fc.property(faults, faults, (toServer, toClient) => {
        const pair = new LinkedPair(toServer, toClient)
        pair.establish(24)
        expect([pair.client.established, pair.server.established]).toEqual([true, true])
        expect(pair.client.handshakeMessages).toEqual(pair.server.handshakeMessages)
        const wrapped = pair.client.wrap(Uint8Array.of(1), NOW_SECONDS)
        expect(pair.server.unwrap(wrapped, NOW_SECONDS).message).toEqual(Uint8Array.of(1))
      }),
      { numRuns: 60 }
    )
  })

  test('takes two rounds over a good one', () => {
    expect(new LinkedPair([], []).establish(24)).toBe(2)
  })
})

describe.each<ReceivePolicy>(['themis', 'ordered'])('data over a bad link with policy %s', policy => {
  test('what arrives is genuine; ordered delivers an unbroken beginning, each message once', () => {
    fc.assert(
      fc.property(fc.array(fault, { minLength: 1, maxLength: 20 }), faults => {
        const { client, server } = establishedPair(policy)
        const link = new FaultyLink(faults)
        const received: number[] = []
        for (let i = 0; i < faults.length; i++) {
          for (const message of link.carry(client.wrap(Uint8Array.of(i), NOW_SECONDS))) {
            received.push(...unwrapOrIgnore(server, message))
          }
        }
        for (const i of received) expect(i).toBeLessThan(faults.length)
        if (policy === 'ordered') expect(received).toEqual(received.map((_, i) => i))
        expect(server.counts.unwrapped).toBe(received.length)
      }),
      { numRuns: 60 }
    )
  })
})

function unwrapOrIgnore(session: SecureSession, message: Uint8Array): number[] {
  try {
    return [...session.unwrap(message, NOW_SECONDS).message]
  } catch (error) {
    if (error instanceof ProtocolError) return []
    throw error
  }
}
