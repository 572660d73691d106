import type { ReceivePolicy, SessionRole } from '@parley/protocol'
import { VirtualClock } from '../../daemon/src/actor/virtual-clock.ts'
import { type Conversation, Endpoint } from '../simulation/session-endpoint.ts'
import {
  CASES,
  type Case,
  drawCase,
  FAULTS,
  faultyLink,
  knowing,
  makePersonas,
  type Persona,
  Recorder
} from '../simulation/session-world.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'session-simulation'
export const describe =
  'two Secure Sessions in memory, on a virtual clock, under faults and attacks: none is established with, and none hears, anyone but the genuine peer'

const PERSONAS = 12
const INJECTIONS_MAX = 6
const INJECTED_WITHIN_MS = 300
/** Longer than the last endpoint goes on trying. */
const RUN_MS = 60_000

export async function run({ size, seed, log, signal }: ProofOptions): Promise<ProofResult> {
  const runs = size === 'full' ? 10_000 : 300
  const simulation = new Simulation(seed)
  for (let i = 0; i < runs; i++) {
    signal.throwIfAborted()
    await simulation.run(i)
    if ((i + 1) % 1_000 === 0) log(`${i + 1} runs, ${simulation.wrong.length} wrong`)
  }
  const counts = simulation.counts()
  const missing = [...CASES, ...FAULTS, 'injected', 'bothEstablished', 'dataReceived', 'restarts'].filter(
    event => !counts[event]
  )
  return {
    ok: simulation.wrong.length === 0 && missing.length === 0,
    counts: { runs, wrong: simulation.wrong.length, ...counts },
    notes: [...simulation.wrong.slice(0, 10), ...missing.map(event => `never seen: ${event}`)]
  }
}

class Simulation {
  readonly wrong: string[] = []
  readonly #seed: string
  readonly #counts = new Map<string, number>()
  readonly #personas: readonly Persona[]
  readonly #recorder = new Recorder()

  constructor(seed: string) {
    this.#seed = seed
    this.#personas = makePersonas(seededRandom(`${seed}/personas`), PERSONAS)
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  async run(index: number): Promise<void> {
    const random = seededRandom(`${this.#seed}/${index}`)
    const kind = drawCase(random)
    this.#count(kind)
    const clock = new VirtualClock()
    const endpoints = this.#meet(kind, random, clock, `run ${index} (${kind})`)
    this.#attack(random, clock, endpoints)
    await clock.advance(RUN_MS)
    for (const endpoint of endpoints) endpoint.stop()
    await clock.runUntilIdle(RUN_MS)
    this.#judge(`run ${index} (${kind})`, kind, endpoints)
    for (const endpoint of endpoints) endpoint.wipe()
  }

  /** Two endpoints with a link between them, set up as the case wants it. */
  #meet(kind: Case, random: SeededRandom, clock: VirtualClock, label: string): readonly [Endpoint, Endpoint] {
    const [a, b, stranger] = drawThree(random, this.#personas)
    // The liar is the one that opens, or the one that answers.
    const isOpener = random.below(2) === 0
    const lie = (own: Persona): Persona => (kind === 'impostor' ? { id: own.id, keys: stranger.keys } : own)
    const keyOf = (peer: Persona) =>
      kind === 'unknownId' ? undefined : kind === 'wrongKey' ? stranger.keys.publicKey : peer.keys.publicKey
    const policy = random.pick<ReceivePolicy>(['themis', 'ordered'])
    const faultsPercent = random.pick([0, 5, 15, 30])
    const common = {
      policy,
      clock,
      randomBytes: (length: number) => random.bytes(length),
      count: (event: string) => this.#count(event)
    }
    const link = (deliver: (bytes: Uint8Array) => void) =>
      faultyLink({ clock, random, recorder: this.#recorder, faultsPercent, deliver, count: common.count })
    const make = (role: SessionRole, own: Persona, peer: Persona, isLiar: boolean, send: (bytes: Uint8Array) => void) =>
      new Endpoint({
        ...common,
        name: `${label} ${role} ${own === a ? 'a' : 'b'}`,
        role,
        own: isLiar ? lie(own) : own,
        knows: knowing(peer, isLiar ? peer.keys.publicKey : keyOf(peer)),
        send,
        messagesToSay: 1 + random.below(6),
        onEstablished: () => this.#count('established')
      })
    const opener: Endpoint = make(
      'client',
      a,
      b,
      isOpener,
      link(bytes => answerer.receive(bytes))
    )
    const role = kind === 'crossedStart' ? 'client' : 'server'
    const answerer: Endpoint = make(
      role,
      b,
      a,
      !isOpener,
      link(bytes => opener.receive(bytes))
    )
    return [opener, answerer]
  }

  /** Somebody who has listened to all runs says something of them at any time, mostly while a handshake is under way. */
  #attack(random: SeededRandom, clock: VirtualClock, endpoints: readonly [Endpoint, Endpoint]): void {
    for (let left = random.below(INJECTIONS_MAX + 1); left > 0; left--) {
      const target = random.pick(endpoints)
      clock.timer(random.below(INJECTED_WITHIN_MS), () => {
        this.#count('injected')
        target.receive(this.#recorder.pick(random))
      })
    }
  }

  #judge(label: string, kind: Case, endpoints: readonly [Endpoint, Endpoint]): void {
    const [opener, answerer] = endpoints
    for (const [endpoint, peer] of [
      [opener, answerer],
      [answerer, opener]
    ] as const) {
      for (const conversation of endpoint.conversations) {
        if (!conversation.isEstablished) continue
        const problem = problemOf(conversation, endpoint, kind, peer)
        if (problem !== undefined) this.wrong.push(`${label}, ${endpoint.options.role}: ${problem}`)
      }
    }
    if (kind !== 'genuine') return
    const isWhole = endpoints.every(({ now }) => now.isEstablished)
    this.#count(isWhole ? 'bothEstablished' : 'notBothEstablished')
  }

  #count(event: string): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1)
  }
}

/** What is wrong with an established session, if anything is. */
function problemOf(conversation: Conversation, endpoint: Endpoint, kind: Case, peer: Endpoint): string | undefined {
  if (kind !== 'genuine') return 'established, though it must not be'
  const { session, heard } = conversation
  if (Buffer.compare(session.remoteId ?? new Uint8Array(0), peer.options.own.id) !== 0) return 'another peer than meant'
  const counterpart = peer.conversations.find(other => isSameHandshake(conversation, other))
  if (counterpart === undefined) return 'nobody is at the other end'
  if (session.role === 'client' && !counterpart.isEstablished) return 'established before the server'
  if (counterpart.isEstablished && counterpart.session.sessionId !== session.sessionId) return 'another session ID'
  const { policy, name } = endpoint.options
  if (heard.some(text => !counterpart.said.has(text))) return 'heard what the peer did not say'
  if (policy === 'themis') return undefined
  const numbers = heard.map(text => Number(text.split('/').at(-1)))
  return numbers.every((number, i) => number === i) ? undefined : `${name} heard ${numbers} with policy ordered`
}

/** Whether the two took part in one handshake: messages 1 to 3 passed between them as they are. */
function isSameHandshake(a: Conversation, b: Conversation): boolean {
  const [ofA, ofB] = [a, b].map(({ session }) => session.handshakeMessages.slice(0, 3))
  return (
    a.session.role !== b.session.role &&
    ofA?.length === 3 &&
    ofB?.length === 3 &&
    ofA.every((message, i) => Buffer.compare(message, ofB[i] as Uint8Array) === 0)
  )
}

function drawThree(random: SeededRandom, personas: readonly Persona[]): readonly [Persona, Persona, Persona] {
  const rest = [...personas]
  const draw = () => rest.splice(random.below(rest.length), 1)[0] as Persona
  return [draw(), draw(), draw()]
}
