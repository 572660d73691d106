import { generateKeyPair, type KeyPair, type PublicKey } from '@parley/protocol'
import type { Clock } from '../../daemon/src/actor/clock.ts'
import { encodeContainer } from '../../protocol/src/soter/container.ts'
import type { SeededRandom } from '../support/seeded-random.ts'

/** An ID and the key that goes with it, or that is said to. */
export interface Persona {
  readonly id: Uint8Array
  readonly keys: KeyPair
}

/** People of many runs, so that what was said in an older run is as genuine as ever. */
export function makePersonas(random: SeededRandom, count: number): readonly Persona[] {
  return Array.from({ length: count }, (_, i) => ({
    id: new TextEncoder().encode(`persona ${i}`),
    keys: generateKeyPair(length => random.bytes(length))
  }))
}

/** How a run is set up. Only a `genuine` one may end with an established session. */
export const CASES = ['genuine', 'wrongKey', 'unknownId', 'impostor', 'crossedStart'] as const
export type Case = (typeof CASES)[number]

/** Mostly genuine, since only that goes all the way. */
export function drawCase(random: SeededRandom): Case {
  return random.below(10) < 6 ? 'genuine' : random.pick(CASES.slice(1))
}

/** The key of one ID, and of no other. */
export function knowing({ id }: Persona, key: PublicKey | undefined): (asked: Uint8Array) => PublicKey | undefined {
  return asked => (Buffer.compare(asked, id) === 0 ? key : undefined)
}

export const FAULTS = ['lost', 'duplicated', 'late', 'truncated', 'corrupted', 'forged', 'replayed'] as const
export type Fault = (typeof FAULTS)[number]

/** Of each kind of message. */
const RECORDED_MAX = 100
const FINISH_BYTES = 44
const LINK_MS = 30
const LATE_MS = 500

/** What was said in this run and in older ones, for an attacker to say again: each kind as often as the others. */
export class Recorder {
  readonly #kinds = new Map<string, { messages: Uint8Array[]; count: number }>()

  record(bytes: Uint8Array): void {
    const kind = kindOf(bytes)
    const recorded = this.#kinds.get(kind) ?? { messages: [], count: 0 }
    recorded.messages[recorded.count++ % RECORDED_MAX] = bytes
    this.#kinds.set(kind, recorded)
  }

  /** At least one message has been recorded. */
  pick(random: SeededRandom): Uint8Array {
    return random.pick(random.pick([...this.#kinds.values()]).messages)
  }
}

function kindOf(bytes: Uint8Array): 'introduction' | 'proceed' | 'finish' | 'data' {
  const tagAt = (offset: number) => Buffer.from(bytes.subarray(offset, offset + 4)).toString('latin1')
  if (tagAt(0) !== 'TSPM') return 'data'
  if (tagAt(12) === 'TSID') return 'introduction'
  return bytes.length === FINISH_BYTES ? 'finish' : 'proceed'
}

export interface LinkOptions {
  readonly clock: Clock
  readonly random: SeededRandom
  readonly recorder: Recorder
  /** Of 100 messages, how many meet a fault. */
  readonly faultsPercent: number
  readonly deliver: (bytes: Uint8Array) => void
  readonly count: (event: string) => void
}

/** One direction of a link on which anything can happen to a message. */
export function faultyLink({ clock, random, recorder, faultsPercent, deliver, count }: LinkOptions) {
  const arrive = (bytes: Uint8Array, inMs: number): void => {
    clock.timer(inMs, () => deliver(bytes))
  }
  return (bytes: Uint8Array): void => {
    recorder.record(bytes)
    const inMs = 1 + random.below(LINK_MS)
    if (random.below(100) >= faultsPercent) {
      arrive(bytes, inMs)
      return
    }
    const fault = random.pick(FAULTS)
    count(fault)
    for (const arriving of suffer(fault, bytes, random, recorder)) {
      arrive(arriving, fault === 'late' ? inMs + random.below(LATE_MS) : inMs + random.below(LINK_MS))
    }
  }
}

/** What a fault makes of one message: none, one or two. */
function suffer(fault: Fault, bytes: Uint8Array, random: SeededRandom, recorder: Recorder): readonly Uint8Array[] {
  switch (fault) {
    case 'lost':
      return []
    case 'duplicated':
      return [bytes, bytes]
    case 'late':
      return [bytes]
    case 'truncated':
      return [bytes.subarray(0, random.below(bytes.length))]
    case 'corrupted':
      return [withFlippedBit(bytes, random)]
    case 'forged':
      return [forged(bytes, random)]
    case 'replayed':
      return [recorder.pick(random), bytes]
  }
}

function withFlippedBit(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const offset = random.below(bytes.length)
  return bytes.with(offset, (bytes[offset] as number) ^ (1 << random.below(8)))
}

/** Changed by somebody who knows the format: with a right checksum where there is one. */
function forged(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const changed = withFlippedBit(bytes, random)
  const isHandshake = Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'TSPM'
  return isHandshake ? encodeContainer('TSPM', changed.subarray(12)) : changed
}
