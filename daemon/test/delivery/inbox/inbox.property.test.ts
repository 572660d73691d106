import type { MessageRun } from '@parley/client-sdk/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ContactFilter, isMatch } from '../../../src/delivery/inbox/filter.ts'
import type { Subscription } from '../../../src/delivery/inbox/inbox.ts'
import { EVERYTHING, KiB, makeInbox, OPTIONS, type TestInbox, type TestLane } from './support.ts'

const FILTERS: readonly ContactFilter[] = [
  EVERYTHING,
  { contacts: new Set(['alice']), channels: null },
  { contacts: null, channels: new Set(['chat']) }
]

const UNACKED_COUNT_MAX = 8
const UNACKED_BYTES_MAX = 3_000

type Step =
  | { readonly type: 'send'; readonly lane: number; readonly sizes: readonly number[] }
  | { readonly type: 'subscribe'; readonly reader: number; readonly messages: number; readonly bytes: number }
  | { readonly type: 'credit'; readonly reader: number; readonly messages: number; readonly bytes: number }
  | { readonly type: 'ack'; readonly reader: number; readonly back: number }
  | { readonly type: 'close' | 'pause' | 'resume'; readonly reader: number }
  | { readonly type: 'reopen-lane'; readonly lane: number }

const READER_COUNT = 5
const reader = fc.nat(READER_COUNT - 1)
const lane = fc.nat(3)
const messages = fc.nat(12)
const bytes = fc.nat(4_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('send' as const), lane, sizes: fc.array(fc.nat(900), { maxLength: 6 }) })
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('subscribe' as const), reader, messages, bytes }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('credit' as const), reader, messages, bytes }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('ack' as const), reader, back: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constantFrom('close' as const, 'pause' as const, 'resume' as const), reader })
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reopen-lane' as const), lane }) }
)

interface Sent {
  readonly contact: string
  readonly channel: string
  readonly size: number
}

/** What one reader must be given, said in the simplest way: it checks every run as it comes. */
class ModelReader {
  readonly name: string | null
  readonly filter: ContactFilter
  readonly #log: readonly Sent[]
  subscription: Subscription | undefined
  isWanting = true
  /** Said no, and was not resumed since. */
  isPaused = false
  creditMessages = 0
  creditBytes = 0
  next = 1
  cursor = 0
  highest = 0
  unacked: number[] = []

  constructor(name: string | null, filter: ContactFilter, log: readonly Sent[]) {
    this.name = name
    this.filter = filter
    this.#log = log
  }

  /** The first index from `from` on that passes the filter. */
  following(from: number): number {
    for (let index = from; index <= this.#log.length; index++) {
      const { contact, channel } = this.#log[index - 1] as Sent
      if (isMatch(this.filter, contact, channel)) return index
    }
    return Number.POSITIVE_INFINITY
  }

  readonly take = (run: MessageRun): boolean => {
    expect(this.isPaused).toBe(false)
    for (const [n, body] of run.bodies.entries()) {
      const index = run.first + n
      expect(index).toBe(this.following(this.next))
      expect(body.length).toBe(this.#sizeOf(index))
      expect(run.redelivered).toBe(this.name !== null && index <= this.highest)
      this.creditMessages--
      this.creditBytes -= body.length
      this.next = index + 1
      this.unacked.push(index)
    }
    this.highest = Math.max(this.highest, this.next - 1)
    expect(this.creditMessages).toBeGreaterThanOrEqual(0)
    expect(this.creditBytes).toBeGreaterThanOrEqual(0)
    if (this.name !== null) {
      expect(this.unacked.length).toBeLessThanOrEqual(UNACKED_COUNT_MAX)
      const unackedBytes = this.unacked.reduce((sum, index) => sum + this.#sizeOf(index), 0)
      if (this.unacked.length > 1) expect(unackedBytes).toBeLessThanOrEqual(UNACKED_BYTES_MAX)
    }
    this.isPaused = !this.isWanting
    return this.isWanting
  }

  /** Whether nothing keeps the next message from being given. */
  isOverdue(): boolean {
    const index = this.following(this.next)
    if (this.subscription === undefined || this.isPaused || index === Number.POSITIVE_INFINITY) return false
    const size = this.#sizeOf(index)
    if (this.creditMessages < 1 || this.creditBytes < size) return false
    if (this.name === null || this.unacked.length === 0) return true
    const unackedBytes = this.unacked.reduce((sum, unacked) => sum + this.#sizeOf(unacked), 0)
    return this.unacked.length < UNACKED_COUNT_MAX && unackedBytes + size <= UNACKED_BYTES_MAX
  }

  #sizeOf(index: number): number {
    return (this.#log[index - 1] as Sent).size
  }
}

class World {
  readonly log: Sent[] = []
  readonly test: TestInbox
  readonly lanes: TestLane[] = []
  readonly readers: ModelReader[] = []

  static async open(): Promise<World> {
    const world = new World(
      await makeInbox({
        consumerUnackedCountMax: UNACKED_COUNT_MAX,
        consumerUnackedBytesMax: UNACKED_BYTES_MAX,
        // Nothing has to give way here.
        keptBytesMax: 10 * KiB * KiB,
        inboxBytesMax: 10 * KiB * KiB
      })
    )
    // What every consumer has acknowledged goes, so all must be there before the first message.
    for (const model of world.readers) {
      await world.subscribe(model, 0, 0)
      world.#close(model)
    }
    return world
  }

  private constructor(test: TestInbox) {
    this.test = test
    for (let n = 0; n < READER_COUNT; n++) {
      const name = n === READER_COUNT - 1 ? null : `consumer ${n}`
      this.readers.push(new ModelReader(name, FILTERS[n % FILTERS.length] as ContactFilter, this.log))
    }
    for (let n = 0; n < 4; n++) this.lanes.push(this.#openLane(n))
  }

  async run(step: Step): Promise<void> {
    switch (step.type) {
      case 'send':
        this.send(step.lane, step.sizes)
        break
      case 'reopen-lane':
        this.lanes[step.lane]?.close()
        this.lanes[step.lane] = this.#openLane(step.lane)
        break
      case 'subscribe':
        await this.subscribe(this.readers[step.reader] as ModelReader, step.messages, step.bytes)
        break
      case 'credit':
        this.credit(this.readers[step.reader] as ModelReader, step.messages, step.bytes)
        break
      case 'ack':
        await this.ack(this.readers[step.reader] as ModelReader, step.back)
        break
      case 'close':
        this.#close(this.readers[step.reader] as ModelReader)
        break
      case 'pause':
        ;(this.readers[step.reader] as ModelReader).isWanting = false
        break
      case 'resume':
        this.resume(this.readers[step.reader] as ModelReader)
        break
    }
    this.#checkCredit()
    for (const model of this.readers) expect(model.isOverdue()).toBe(false)
  }

  send(at: number, sizes: readonly number[]): number {
    const lane = this.lanes[at] as TestLane
    // The model must know of a message before a reader is given it.
    let count = 0
    let bytes = 0
    for (const size of sizes) {
      if (lane.sentMessages + count + 1 > lane.grantedMessages || lane.sentBytes + bytes + size > lane.grantedBytes)
        break
      count++
      bytes += size
      this.log.push({ contact: lane.contact, channel: lane.channel, size })
    }
    expect(lane.send(sizes)).toBe(count)
    return count
  }

  async subscribe(model: ModelReader, messages: number, bytes: number): Promise<void> {
    if (model.subscription !== undefined) return
    model.isWanting = true
    model.isPaused = false
    model.creditMessages = messages
    model.creditBytes = bytes
    model.unacked = []
    const isLook = model.name === null
    model.next = isLook ? this.log.length + 1 : model.cursor + 1
    model.subscription = await this.test.inbox.subscribe({
      ...{ consumer: model.name, filter: model.filter, by: 'test', owner: 'local', from: isLook ? 'now' : 'start' },
      ...{ creditMessages: messages, creditBytes: bytes, take: model.take, ended: () => expect.fail('ended') }
    })
    model.subscription.resume()
  }

  credit(model: ModelReader, messages: number, bytes: number): void {
    if (model.subscription === undefined) return
    model.creditMessages += messages
    model.creditBytes += bytes
    model.subscription.addCredit(messages, bytes)
  }

  async ack(model: ModelReader, back: number): Promise<void> {
    const index = model.unacked[Math.max(0, model.unacked.length - 1 - back)]
    if (model.name === null || index === undefined || model.subscription === undefined) return
    model.cursor = index
    model.unacked = model.unacked.filter(other => other > index)
    await this.test.inbox.ack(model.name, index)
  }

  resume(model: ModelReader): void {
    model.isWanting = true
    model.isPaused = false
    model.subscription?.resume()
  }

  #close(model: ModelReader): void {
    model.subscription?.close()
    model.subscription = undefined
  }

  #openLane(at: number): TestLane {
    return this.test.openLane(at % 2 === 0 ? 'alice' : 'bob', at < 2 ? 'chat' : 'news')
  }

  #checkCredit(): void {
    for (const lane of this.lanes) {
      expect(lane.grantedMessages - lane.sentMessages).toBeLessThanOrEqual(OPTIONS.laneCreditMessages)
      expect(lane.grantedBytes - lane.sentBytes).toBeLessThanOrEqual(OPTIONS.laneCreditBytes)
    }
  }
}

describe('whatever happens to an inbox', () => {
  it('each reader is given what passes its filter in order, once, within its credit, and nothing is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120 }), async steps => {
        const world = await World.open()
        for (const each of steps) await world.run(each)
        // In the end everybody reads and acknowledges everything.
        for (const model of world.readers) {
          await world.subscribe(model, 0, 0)
          world.resume(model)
          for (let round = 0; round < 2_000; round++) {
            const before = model.next
            world.credit(model, 1_000, 1_000_000)
            await world.ack(model, 0)
            if (model.next === before && model.unacked.length === 0) break
          }
          expect(model.following(model.next)).toBe(Number.POSITIVE_INFINITY)
        }
        for (const [n] of world.lanes.entries()) expect(world.send(n, [16 * KiB])).toBe(1)
      }),
      { numRuns: 300 }
    )
  })

  it('what is kept and promised stays within its bounds', async () => {
    const inboxBytesMax = 64 * KiB
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(11), fc.nat(3_000), fc.boolean()), { maxLength: 200 }), async sends => {
        const { inbox, openLane } = await makeInbox({ inboxBytesMax, keptBytesMax: 16 * KiB, messageBytesMax: 4 * KiB })
        const reading = { next: 1 }
        const subscription = await inbox.subscribe({
          ...{ consumer: 'app', filter: EVERYTHING, by: 'test', owner: 'local', creditMessages: 1e6, creditBytes: 1e9 },
          take: run => {
            reading.next = run.first + run.bodies.length
            return true
          },
          ended: () => expect.fail('ended')
        })
        subscription.resume()
        const lanes = Array.from({ length: 12 }, (_, n) => openLane(`contact ${n % 3}`, `channel ${n}`))
        for (const [n, size, isAcked] of sends) {
          const isFull = inbox.stats().bytes >= inboxBytesMax
          const before = lanes.map(lane => lane.grantedBytes)
          lanes[n]?.send([size])
          if (isFull) expect(lanes.map(lane => lane.grantedBytes)).toEqual(before)
          if (isAcked && reading.next > 1) await inbox.ack('app', reading.next - 1)
          const { bytes, promisedBytes } = inbox.stats()
          expect(promisedBytes).toBeLessThanOrEqual(3 * 8 * inboxBytesMax)
          expect(bytes + promisedBytes).toBeLessThanOrEqual((1 + 3 * 8) * inboxBytesMax)
          if (isAcked && reading.next === inbox.next) expect(bytes).toBe(0)
        }
      }),
      { numRuns: 200 }
    )
  })
})
