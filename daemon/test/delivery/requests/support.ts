import { makeConfig } from '@parley/config'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import type { Credit, RequestAttachment, RequestEnvelope } from '../../../src/delivery/port.ts'
import type { GivenRequest, RequestLimits, Serving } from '../../../src/delivery/requests/api.ts'
import { Requests } from '../../../src/delivery/requests/requests.ts'
import { DaemonError } from '../../../src/errors.ts'
import { PeerFault } from '../../../src/peer/fault.ts'
import { seededRandomBytes } from '../../../src/random.ts'

export const KiB = 1_024
export const MiB = 1_024 * KiB
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)
export const NEVER: AbortSignal = new AbortController().signal

export interface Side {
  readonly requests: Requests
  /** Contacts that were asked to be dialled. */
  readonly dialled: string[]
}

/** The requests of one daemon. Its contacts are called as their contact IDs. */
export function makeSide(clock: VirtualClock, name: string, limits: Partial<RequestLimits> = {}): Side {
  const dialled: string[] = []
  const requests = new Requests({
    clock,
    randomBytes: seededRandomBytes(name),
    limits: { ...makeConfig().limits, ...limits },
    peer: contact => (contact === 'gone' ? undefined : { id: `${contact}@host`, name: contact }),
    dial: contact => dialled.push(contact)
  })
  return { requests, dialled }
}

/** One session between two sides: it carries what they write, in order, when it is told to or by itself. */
export class TestSession {
  readonly #ends: readonly [End, End]
  isStalled = false

  constructor(a: { side: Side; name: string }, b: { side: Side; name: string }, messageBytesMax = MiB) {
    const moved = () => {
      if (!this.isStalled) this.carry()
    }
    const first = new End(a.side, b.name, messageBytesMax, moved)
    const second = new End(b.side, a.name, messageBytesMax, moved)
    first.other = second
    second.other = first
    this.#ends = [first, second]
  }

  carry(): void {
    while (this.#ends.map(end => end.carry()).includes(true));
  }

  /** The session to send on is another one from now on. */
  detach(): void {
    for (const end of this.#ends) end.attachment.detach()
  }

  /** The session dies, with everything that is on it. */
  die(): void {
    this.isStalled = true
    this.detach()
    for (const { side, contact } of this.#ends) side.requests.lost(contact)
  }
}

class End {
  readonly side: Side
  readonly contact: string
  readonly attachment: RequestAttachment
  other: End | undefined
  readonly #credits: Credit[] = []
  #isCarrying = false

  constructor(side: Side, contact: string, messageBytesMax: number, moved: () => void) {
    this.side = side
    this.contact = contact
    this.attachment = side.requests.attach(contact, {
      messageBytesMax,
      wake: () => queueMicrotask(moved),
      credit: credit => {
        this.#credits.push(credit)
        queueMicrotask(moved)
      }
    })
  }

  carry(): boolean {
    if (this.other === undefined || this.#isCarrying) return false
    this.#isCarrying = true
    let isMoved = false
    for (const credit of this.#credits.splice(0)) {
      this.other.attachment.credit(credit)
      isMoved = true
    }
    for (let taken = this.attachment.take(64 * KiB, true); taken; taken = this.attachment.take(64 * KiB, true)) {
      this.other.side.requests.received(this.other.contact, taken.envelope)
      isMoved = true
    }
    this.#isCarrying = false
    return isMoved
  }
}

export interface Town {
  readonly clock: VirtualClock
  readonly alice: Side
  readonly bob: Side
  /** A new session between the two, which sends from now on. */
  connect(messageBytesMax?: number): TestSession
}

export function makeTown(limits: Partial<RequestLimits> = {}, limitsOfBob: Partial<RequestLimits> = limits): Town {
  const clock = new VirtualClock()
  const alice = makeSide(clock, 'alice', limits)
  const bob = makeSide(clock, 'bob', limitsOfBob)
  const connect = (messageBytesMax?: number) =>
    new TestSession({ side: alice, name: 'alice' }, { side: bob, name: 'bob' }, messageBytesMax)
  return { clock, alice, bob, connect }
}

export interface TestApp {
  readonly serving: Serving
  readonly given: GivenRequest[]
  readonly ended: string[]
  isWanting: boolean
}

/** An app that serves a name and keeps what it is given. */
export function serve(side: Side, name: string, options: { takeover?: boolean; by?: string } = {}): TestApp {
  const given: GivenRequest[] = []
  const ended: string[] = []
  const { takeover = false, by = 'app' } = options
  const serving = side.requests.serve({
    ...{ name, takeover, by },
    take: request => {
      given.push(request)
      return app.isWanting
    },
    ended: code => ended.push(code)
  })
  const app: TestApp = { serving, given, ended, isWanting: true }
  serving.resume()
  return app
}

export function ask(side: Side, contact: string, name = 'sum', body = 'x', timeoutMs = 1_000): Promise<string> {
  return side.requests.send({ contact, name, body: bytes(body), timeoutMs }, NEVER).then(text)
}

/** The code of what a promise is rejected with, and whether the request may have been executed. */
export async function failureOf(promise: Promise<unknown>): Promise<{ code: string; executed: unknown }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof DaemonError) return { code: error.code, executed: error.data['executed'] }
    throw error
  }
  throw new Error('it did not fail')
}

export function faultOf(code: () => void): string {
  try {
    code()
  } catch (error) {
    if (error instanceof PeerFault) return error.code
    throw error
  }
  return 'no fault'
}

/** A request as a peer of no scruples writes it. */
export function requestOf(
  id: number,
  more: Partial<{ id: Uint8Array; name: string; timeLeftMs: number; body: Uint8Array }> = {}
): RequestEnvelope {
  const full = new Uint8Array(16)
  new DataView(full.buffer).setUint32(0, id)
  return { request: { id: full, name: 'sum', timeLeftMs: 1_000, body: bytes('x'), ...more } }
}
