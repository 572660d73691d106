import fc from 'fast-check'
import { expect, it } from 'vitest'
import { seededRandomBytes } from '../../../src/random.ts'
import { Receiver } from './receiver.ts'
import { crash, openOutbox, request, states, type TestOutbox, text } from './support.ts'

const SECOND = 1_000

interface Sent {
  readonly body: string
  readonly channel: string
  /** Undefined until it is accepted, or where nobody knows. */
  id: string | undefined
  cancelled: 'no' | 'asked' | 'yes'
}

type Op =
  | { readonly op: 'send'; readonly channel: number; readonly count: number; readonly ttlSeconds: number }
  | { readonly op: 'cancel'; readonly which: number }
  | { readonly op: 'connect' | 'disconnect' | 'settle' | 'fail' | 'lose-late' }
  | { readonly op: 'read'; readonly count: number; readonly isAnswering: boolean }
  | { readonly op: 'lose'; readonly count: number }
  | { readonly op: 'wait'; readonly seconds: number }
  | { readonly op: 'crash'; readonly ticks: number }

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('send' as const),
      channel: fc.nat(2),
      count: fc.integer({ min: 1, max: 3 }),
      ttlSeconds: fc.constantFrom(3, 20, 100_000)
    })
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('cancel' as const), which: fc.nat(40) }) },
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constantFrom('connect', 'disconnect', 'settle', 'settle', 'fail', 'lose-late') })
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('read' as const), count: fc.nat(6), isAnswering: fc.boolean() })
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('lose' as const), count: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('crash' as const), ticks: fc.nat(6) }) }
)

/** An outbox, its peer, and what the app was told. */
class Run {
  readonly sent: Sent[] = []
  readonly receiver = new Receiver()
  readonly #random = seededRandomBytes('run')
  #test: TestOutbox

  constructor(test: TestOutbox) {
    this.#test = test
  }

  async do(step: Op): Promise<void> {
    const test = this.#test
    switch (step.op) {
      case 'send':
        return this.#send(step.channel, step.count, step.ttlSeconds)
      case 'cancel':
        return this.#cancel(step.which)
      case 'connect':
        return this.receiver.connect(test.outbox)
      case 'disconnect':
        return this.receiver.disconnect()
      case 'settle':
        return test.clock.settle()
      case 'read':
        this.receiver.read(step.count, step.isAnswering)
        return
      case 'lose':
        return this.receiver.lose(step.count)
      case 'lose-late':
        return this.#loseUntilTooLate()
      case 'wait':
        return test.clock.advance(step.seconds * SECOND)
      case 'fail':
        test.store.isFailing = true
        await test.clock.settle()
        test.store.isFailing = false
        return this.#again(() => test.outbox.reload())
      case 'crash':
        for (let tick = 0; tick < step.ticks; tick++) await Promise.resolve()
        return this.#again(async () => {
          this.#test = await crash(test, {}, this.#random)
        })
    }
  }

  /** Lets everything come to its end, and looks whether it is what was promised. */
  async finish(): Promise<void> {
    const { clock, outbox } = this.#test
    await clock.settle()
    this.receiver.disconnect()
    this.receiver.connect(outbox)
    for (let round = 0; round < 5; round++) {
      await clock.settle()
      this.receiver.read(1_000, true)
    }
    const got = new Set(this.receiver.bodies)
    expect(got.size).toBe(this.receiver.bodies.length)
    for (const { body, channel, id, cancelled } of this.sent) {
      if (id === undefined) continue
      const [state] = states(this.#test, id, 1)
      const hasArrived = got.has(`${channel}/${body}`)
      if (cancelled === 'yes') expect(state).toBe('cancelled')
      if (hasArrived) expect(state).toBe('stored')
      else expect(state === 'expired/no' || (state === 'cancelled' && cancelled !== 'no')).toBe(true)
    }
    const order = this.sent.map(({ channel, body }) => `${channel}/${body}`)
    for (const channel of ['0', '1', '2']) {
      const places = this.receiver.bodies.filter(key => key.startsWith(channel)).map(key => order.indexOf(key))
      expect(places).toEqual([...places].sort((a, b) => a - b))
    }
    expect(outbox.queue()).toEqual({ messages: 0, bytes: 0 })
  }

  /** What is on the wire is lost, its time goes by, and of what follows the peer's answers are. */
  async #loseUntilTooLate(): Promise<void> {
    const { clock, outbox } = this.#test
    this.receiver.connect(outbox)
    await clock.settle()
    this.receiver.lose(20)
    await clock.advance(4 * SECOND)
    this.receiver.connect(outbox)
    await clock.settle()
    this.receiver.read(20, false)
  }

  async #again(restart: () => Promise<void>): Promise<void> {
    this.receiver.drop()
    await restart()
    await this.#test.clock.settle()
    this.#checkQueue()
  }

  /** After a restart what is queued is what was accepted and has no end yet, and perhaps what nobody was told of. */
  #checkQueue(): void {
    const known = this.sent.filter(({ id }) => id !== undefined)
    const waiting = known.filter(({ id }) =>
      ['accepted', 'sent'].includes(states(this.#test, id as string, 1)[0] ?? '')
    )
    const { messages, bytes } = this.#test.outbox.queue()
    const bytesOf = (sent: readonly Sent[]) => sent.reduce((sum, { body }) => sum + body.length, 0)
    const unknown = this.sent.filter(({ id }) => id === undefined)
    expect(messages).toBeGreaterThanOrEqual(waiting.length)
    expect(messages).toBeLessThanOrEqual(waiting.length + unknown.length)
    expect(bytes).toBeGreaterThanOrEqual(bytesOf(waiting))
    expect(bytes).toBeLessThanOrEqual(bytesOf([...waiting, ...unknown]))
  }

  #send(channelNumber: number, count: number, ttlSeconds: number): void {
    const channel = `${channelNumber}`
    const sent = Array.from({ length: count }, (_, index): Sent => {
      return { body: `${this.sent.length + index}`, channel, id: undefined, cancelled: 'no' }
    })
    this.sent.push(...sent)
    const bodies = sent.map(({ body }) => text(body))
    const accepting = this.#test.outbox.accept(request({ channel, bodies, ttlMs: ttlSeconds * SECOND }))
    const accepted = accepting.then(({ ids: [ids] }) => {
      const [, prefix, first] = /^(.*\.)(\d+)$/.exec(ids?.first ?? '') ?? []
      for (const [index, one] of sent.entries()) one.id = `${prefix}${Number(first) + index}`
    })
    // What a crash leaves open stays without an ID.
    accepted.catch(error => expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' }))
  }

  #cancel(which: number): void {
    const one = this.sent[which]
    if (one?.id === undefined) return
    const before = one.cancelled
    one.cancelled = before === 'yes' ? 'yes' : 'asked'
    this.#test.outbox.cancel(one.id, 1).then(
      () => {
        one.cancelled = 'yes'
      },
      (error: { code?: string }) => {
        if (error.code !== 'STORE_UNAVAILABLE' && before === 'no' && one.cancelled === 'asked') one.cancelled = 'no'
      }
    )
  }
}

it('loses nothing that it accepted, sends nothing twice or out of order, and tells the truth, over crashes at any moment', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 5, maxLength: 60 }), async ops => {
      const run = new Run(await openOutbox())
      for (const step of ops) await run.do(step)
      await run.finish()
    }),
    { numRuns: 150 }
  )
}, 60_000)
