import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHUNK_BYTES, chunkBytesAt, ReceivePosition, SendPosition } from '../../../src/delivery/transfers/position.ts'

/** What happens between the two sides of one stream after another; numbers choose among what is possible then. */
type Step = 'deliver' | 'send' | 'read' | 'sync' | 'say-synced' | 'cut' | 'restart-program' | 'restart-receiver'
const STEPS: readonly Step[] = [
  'deliver',
  'send',
  'read',
  'sync',
  'say-synced',
  'cut',
  'restart-program',
  'restart-receiver'
]
const WINDOW = 3 * CHUNK_BYTES

type Frame =
  | { readonly accept: { round: number; position: number; synced: number; window: number } }
  | { readonly synced: { round: number; position: number } }
  | { readonly chunk: { round: number; position: number } }

describe('where the two sides of a file are', () => {
  it('never disagree: whatever is cut, lost and begun again, the disk has each chunk once, in order', () => {
    const steps = fc.array(fc.constantFrom(...STEPS), { maxLength: 400 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), fc.nat(CHUNK_BYTES - 1), steps, (chunks, rest, list) => {
        const pair = new PositionPair(chunks * CHUNK_BYTES + rest)
        for (const step of list) pair.step(step)
        pair.finish()
        expect(pair.disk).toBe(pair.size)
      }),
      { numRuns: 300 }
    )
  })
})

/** Both sides on one stream, whose frames can be held up and lost. */
class PositionPair {
  readonly size: number
  /** What the receiving program has written, and what of it survives the program. */
  disk = 0
  #written = 0
  #sender: SendPosition
  #receiver: ReceivePosition
  #toReceiver: Frame[] = []
  #toSender: Frame[] = []

  constructor(size: number) {
    this.size = size
    this.#sender = new SendPosition(size)
    this.#receiver = new ReceivePosition(size, WINDOW)
    this.#beginProgram()
  }

  step(step: Step): void {
    if (step === 'deliver') this.#deliver()
    else if (step === 'send') this.#send()
    else if (step === 'read') this.#read()
    else if (step === 'sync') this.disk = this.#written
    else if (step === 'say-synced') this.#saySynced()
    else if (step === 'cut') this.#redial()
    else if (step === 'restart-program') this.#beginProgram()
    else {
      this.#receiver = new ReceivePosition(this.size, WINDOW)
      this.#toReceiver = []
      this.#toSender = []
      this.#sender = new SendPosition(this.size)
      this.#beginProgram()
    }
  }

  /** Without any more disturbance all of it arrives. */
  finish(): void {
    for (let turn = 0; this.disk < this.size; turn++) {
      if (turn > 1_000) throw new Error('it stands still')
      for (const step of ['deliver', 'send', 'deliver', 'read', 'sync', 'say-synced', 'deliver'] as const)
        this.step(step)
    }
  }

  #deliver(): void {
    for (const frame of this.#toSender.splice(0)) {
      if ('accept' in frame) this.#sender.accepted(frame.accept)
      else if ('synced' in frame) this.#sender.syncedTo(frame.synced.round, frame.synced.position)
    }
    for (const frame of this.#toReceiver.splice(0)) {
      if (!('chunk' in frame)) throw new Error('a frame that no sender sends')
      const { round, position } = frame.chunk
      this.#receiver.take(round, position, chunkBytesAt(position, this.size))
    }
  }

  #send(): void {
    const { next, round, hasRoom } = this.#sender
    if (!hasRoom || next === this.size) return
    this.#toReceiver.push({ chunk: { round, position: next } })
    this.#sender.sent()
  }

  #read(): void {
    const { handed, next } = this.#receiver
    if (handed === next) return
    expect(handed).toBe(this.#written)
    this.#receiver.hand()
    this.#written = this.#receiver.handed
  }

  #saySynced(): void {
    if (!this.#receiver.maySync(this.disk)) throw new Error('the program may not say what it has')
    this.#receiver.sync(this.disk)
    this.#toSender.push({ synced: { round: this.#receiver.round, position: this.disk } })
  }

  #redial(): void {
    this.#toReceiver = []
    this.#toSender = []
    this.#sender = new SendPosition(this.size)
    this.#receiver.goOn()
    this.#accept()
  }

  /** A program begins, or begins anew after it was killed: what was not synced is gone, and of the rest it keeps whole chunks. */
  #beginProgram(): void {
    this.disk = this.disk === this.size ? this.disk : this.disk - (this.disk % CHUNK_BYTES)
    this.#written = this.disk
    this.#receiver.begin(this.disk)
    this.#accept()
  }

  #accept(): void {
    const { round, next, synced, windowBytes } = this.#receiver
    this.#toSender.push({ accept: { round, position: next, synced, window: windowBytes } })
  }
}
