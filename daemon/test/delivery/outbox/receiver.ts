import type { DurableSending, LaneMark, OutgoingAttachment, TakenEnvelope } from '../../../src/delivery/port.ts'
import { REJECTED, SKIPPED, STORED } from '../../../src/delivery/port.ts'

interface ReceiverLane {
  readonly channel: string
  readonly epoch: Uint8Array
  stored: number
  tag: Uint8Array
  readonly skipped: { from: number; to: number }[]
}

/** A peer's daemon as WIRE has it: one number for each lane; what is at or below it is dropped, what is next is stored, above it is a gap. */
export class Receiver {
  readonly bodies: string[] = []
  readonly #lanes = new Map<number, ReceiverLane>()
  #sending: DurableSending | undefined
  #attachment: OutgoingAttachment | undefined
  #isOpen = new Set<number>()

  marks(): LaneMark[] {
    return [...this.#lanes].map(([lane, { epoch, stored, tag }]) => ({ epoch, lane, stored, tag }))
  }

  connect(sending: DurableSending, start: 'marks' | 'stored' = 'marks'): void {
    this.#sending = sending
    this.#isOpen = new Set()
    const session = { start: start === 'marks' ? { marks: this.marks() } : start, messageBytesMax: 1e6, wake: () => {} }
    this.#attachment = sending.attach('bob', session)
    for (const lane of this.#lanes.keys()) this.#say(lane, true)
  }

  disconnect(): void {
    this.#attachment?.detach()
    this.#attachment = undefined
  }

  /** As when the daemon that sends has died. */
  drop(): void {
    this.#attachment = undefined
  }

  /** The link dies with what it carries. */
  lose(countMax: number): void {
    for (let count = 0; count < countMax; count++) if (this.#attachment?.take(65_536, true) === undefined) break
    this.disconnect()
  }

  /** Reads up to `countMax` envelopes, and answers where `isAnswering`. Returns how many there were. */
  read(countMax: number, isAnswering: boolean): number {
    let count = 0
    for (; count < countMax; count++) {
      const taken = this.#attachment?.take(65_536, true)
      if (taken === undefined) break
      this.#take(taken, isAnswering)
    }
    return count
  }

  #take({ envelope }: TakenEnvelope, isAnswering: boolean): void {
    if ('laneOpen' in envelope) {
      const { lane, channel, epoch } = envelope.laneOpen
      if (!this.#lanes.has(lane))
        this.#lanes.set(lane, { channel, epoch, stored: 0, tag: new Uint8Array(), skipped: [] })
      this.#isOpen.add(lane)
      this.#attachment?.credit({ lane, messages: 1e6, bytes: 1e9 })
    } else if ('run' in envelope) {
      const { lane: number, first, bodies, tag } = envelope.run
      const lane = this.#opened(number)
      const last = first + bodies.length - 1
      if (first === lane.stored + 1) {
        lane.stored = last
        lane.tag = tag
        for (const body of bodies) this.bodies.push(`${lane.channel}/${new TextDecoder().decode(body)}`)
      } else if (last > lane.stored) throw new Error(`a gap: run ${first} to ${last} after ${lane.stored}`)
      if (isAnswering) this.#say(number)
    } else if ('skip' in envelope) {
      const { lane: number, from, to } = envelope.skip
      const lane = this.#opened(number)
      if (from > lane.stored + 1) throw new Error(`a gap: skip ${from} to ${to} after ${lane.stored}`)
      if (to > lane.stored) {
        lane.skipped.push({ from: lane.stored + 1, to })
        lane.stored = to
        lane.tag = new Uint8Array()
      }
      if (isAnswering) this.#say(number)
    } else this.#lanes.delete(envelope.reject.lane)
  }

  #opened(number: number): ReceiverLane {
    const lane = this.#lanes.get(number)
    if (lane === undefined || !this.#isOpen.has(number)) throw new Error(`lane ${number} is not open`)
    return lane
  }

  /** Says how far the lane is; first what was skipped. */
  #say(number: number, isAgain = false): void {
    const lane = this.#lanes.get(number)
    if (lane === undefined || (isAgain && lane.stored === 0)) return
    const { epoch, stored } = lane
    const say = (state: typeof STORED | typeof REJECTED, from: number, to: number, reason: string) =>
      this.#sending?.receipt('bob', { epoch, lane: number, state, from, to, reason })
    for (const { from, to } of lane.skipped) say(REJECTED, from, to, SKIPPED)
    if (stored > 0) say(STORED, 1, stored, '')
  }
}
