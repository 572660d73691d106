import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Actor, type ActorRef, type Exit } from '../../src/actor/actor.ts'
import type { Reply } from '../../src/actor/ask.ts'
import { type ChildSpec, type RestartPolicy, supervise } from '../../src/actor/supervisor.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'

const limits = { dataCountMax: 10, controlCountMax: 10 }
const restarts = { restartCountMax: 2, windowMs: 60_000, backOffMs: 100, backOffMaxMs: 1_000 }

type Message = 'crash' | 'finish' | { readonly reply: Reply<number> }

function startFamily(restart: RestartPolicy, more: Partial<ChildSpec<Message>> = {}) {
  const clock = new VirtualClock()
  const log: string[] = []
  let startCount = 0
  let child: ActorRef<Message> | undefined
  const parent = new Actor<'none'>({ name: 'parent', ...limits }, clock, self => {
    child = supervise<Message>(self, {
      name: 'child',
      ...limits,
      restart,
      start: incarnation => {
        const number = ++startCount
        log.push(`start ${number}`)
        return {
          receive(message) {
            if (message === 'crash') throw new RangeError(`crash of ${number}`)
            if (message === 'finish') incarnation.stop('finished')
            else message.reply.resolve(number)
          }
        }
      },
      onExit: (exit, consequence) => log.push(`${exit.type} ${consequence}`),
      ...more
    })
    return { receive: () => {} }
  })
  if (child === undefined) throw new Error('the parent did not start')
  return { clock, log, parent, child }
}

describe('supervise', () => {
  it('restarts a crashed child after its back-off, with clean state behind the same reference', async () => {
    const { clock, log, child } = startFamily({ type: 'transient', ...restarts, whenExhausted: 'escalate' })
    child.tell('crash')
    await clock.advance(99)
    expect(log).toEqual(['start 1', 'crashed restart'])
    expect(child.tell('finish')).toBe(false)
    await expect(child.ask<number>(10, reply => ({ reply }))).rejects.toMatchObject({ code: 'STOPPED' })
    await clock.advance(1)
    const answer = child.ask<number>(10, reply => ({ reply }))
    expect(await answer).toBe(2)
  })

  it('doubles the back-off up to its maximum, and starts over when the window has passed', async () => {
    const waits = { restartCountMax: 100, windowMs: 60_000, backOffMs: 100, backOffMaxMs: 350 }
    const { clock, log, child } = startFamily({ type: 'transient', ...waits, whenExhausted: 'escalate' })
    const waitedMs: number[] = []
    for (const pauseMs of [0, 0, 0, 60_000]) {
      await clock.advance(pauseMs)
      child.tell('crash')
      await clock.settle()
      const startMs = clock.monotonicMs()
      await clock.runUntilIdle(1_000)
      waitedMs.push(clock.monotonicMs() - startMs)
    }
    expect(waitedMs).toEqual([100, 200, 350, 100])
    expect(log.filter(line => line.startsWith('start'))).toHaveLength(5)
  })

  it('names a child after its parent, and tells which child ended too often', async () => {
    const { child, parent } = startFamily({
      type: 'permanent',
      ...restarts,
      restartCountMax: 0,
      whenExhausted: 'escalate'
    })
    expect(child.name).toBe('parent/child')
    child.tell('finish')
    expect(await child.exited).toEqual({ type: 'normal', reason: 'finished' })
    expect(await parent.exited).toMatchObject({ type: 'crashed', error: { cause: { reason: 'finished' } } })
  })

  it('quarantines at the fifth crash in a minute, and goes no higher', async () => {
    const policy = { restartCountMax: 4, windowMs: 60_000, backOffMs: 10, backOffMaxMs: 1_000 }
    const { clock, log, parent, child } = startFamily({ type: 'transient', ...policy, whenExhausted: 'give-up' })
    for (let crash = 0; crash < 5; crash++) {
      expect(child.tell('crash')).toBe(true)
      await clock.advance(2_000)
    }
    expect(log.at(-1)).toBe('crashed give-up')
    expect(log.filter(line => line.startsWith('start'))).toHaveLength(5)
    expect(await child.exited).toMatchObject({ type: 'crashed', error: { message: 'crash of 5' } })
    parent.stop('test is over')
    expect(await parent.exited).toEqual({ type: 'normal', reason: 'test is over' })
  })

  it('ends for good when stopped during its back-off', async () => {
    const { clock, log, child } = startFamily({ type: 'permanent', ...restarts, whenExhausted: 'escalate' })
    child.tell('crash')
    await clock.settle()
    child.stop('not needed')
    child.stop('not needed twice')
    expect(await child.exited).toEqual({ type: 'normal', reason: 'not needed' })
    await clock.runUntilIdle(1_000)
    expect(log).toEqual(['start 1', 'crashed restart', 'normal end'])
    expect(clock.timerCount).toBe(0)
  })

  it('restarts nothing when the end of a child and its stop come together', async () => {
    const { clock, log, child } = startFamily({ type: 'permanent', ...restarts, whenExhausted: 'escalate' })
    child.tell('crash')
    child.stop('not needed')
    await child.exited
    await clock.runUntilIdle(1_000)
    expect(log).toEqual(['start 1', 'normal end'])
  })

  it('counts a start that throws as a crash', async () => {
    const starts: number[] = []
    const { clock, parent } = startFamily(
      { type: 'permanent', ...restarts, whenExhausted: 'escalate' },
      {
        start: self => {
          starts.push(self.clock.monotonicMs())
          throw new RangeError('no start')
        }
      }
    )
    await clock.advance(10_000)
    expect(starts).toEqual([0, 100, 300])
    expect((await parent.exited).type).toBe('crashed')
  })

  it('lets an error of the exit handler crash the parent', async () => {
    const { child, parent } = startFamily(
      { type: 'temporary' },
      {
        onExit: () => {
          throw new RangeError('broken handler')
        }
      }
    )
    child.tell('finish')
    expect(await parent.exited).toMatchObject({ type: 'crashed', error: expect.any(RangeError) })
  })

  it('works without an exit handler', async () => {
    const clock = new VirtualClock()
    const parent = new Actor<'none'>({ name: 'parent', ...limits }, clock, () => ({ receive: () => {} }))
    const child = supervise<Message>(parent, {
      name: 'child',
      ...limits,
      restart: { type: 'temporary' },
      start: self => ({ receive: () => self.stop('finished') })
    })
    child.tell('finish')
    expect(await child.exited).toEqual({ type: 'normal', reason: 'finished' })
  })

  it('waits for the release of the old incarnation before it starts the next', async () => {
    const release = Promise.withResolvers<void>()
    let startCount = 0
    const { clock, child } = startFamily(
      { type: 'transient', ...restarts, whenExhausted: 'escalate' },
      {
        start: () => {
          startCount++
          return {
            receive: () => {
              throw new RangeError('broken')
            },
            stopped: () => release.promise
          }
        }
      }
    )
    child.tell('crash')
    await clock.advance(10_000)
    expect(startCount).toBe(1)
    release.resolve()
    await clock.advance(10_000)
    expect(startCount).toBe(2)
  })
})

describe('a parent that ends', () => {
  it('ends its children first, the youngest first and one after the other, and restarts none', async () => {
    const clock = new VirtualClock()
    const log: string[] = []
    const slow = Promise.withResolvers<void>()
    const parent = new Actor<'none'>({ name: 'parent', ...limits }, clock, self => {
      for (const name of ['oldest', 'middle', 'youngest']) {
        supervise<'none'>(self, {
          name,
          ...limits,
          restart: { type: 'permanent', ...restarts, whenExhausted: 'escalate' },
          onExit: () => log.push('told of an exit'),
          start: () => ({
            receive: () => {},
            stopped: () => {
              log.push(name)
              return name === 'youngest' ? slow.promise : undefined
            }
          })
        })
      }
      return { receive: () => {}, stopped: () => void log.push('parent') }
    })
    parent.stop('enough')
    await clock.runUntilIdle(1_000)
    expect(log).toEqual(['youngest'])
    slow.resolve()
    expect(await parent.exited).toEqual({ type: 'normal', reason: 'enough' })
    expect(log).toEqual(['youngest', 'middle', 'oldest', 'parent'])
  })

  it('takes a child in its back-off with it', async () => {
    const { clock, parent, child } = startFamily({ type: 'permanent', ...restarts, whenExhausted: 'escalate' })
    child.tell('crash')
    await clock.settle()
    parent.stop('enough')
    await parent.exited
    expect(await child.exited).toEqual({ type: 'normal', reason: 'parent stopped' })
    expect(clock.timerCount).toBe(0)
  })

  it('takes no new child', async () => {
    const { parent } = startFamily({ type: 'temporary' })
    parent.stop('enough')
    const spec: ChildSpec<'none'> = {
      name: 'late',
      ...limits,
      restart: { type: 'temporary' },
      start: () => ({ receive: () => {} })
    }
    expect(() => supervise(parent, spec)).toThrow(expect.objectContaining({ code: 'STOPPED' }))
  })
})

interface Model {
  nowMs: number
  state: 'running' | 'waiting' | 'ended'
  restartAtMs: number
  restartsAtMs: number[]
  startCount: number
  outcomes: string[]
}

interface Real extends ReturnType<typeof startFamily> {
  readonly policy: RestartPolicy
}

class Leave implements fc.AsyncCommand<Model, Real> {
  readonly how: 'crash' | 'finish'
  constructor(how: 'crash' | 'finish') {
    this.how = how
  }
  check = () => true
  async run(model: Model, { child, clock, policy }: Real): Promise<void> {
    expect(child.tell(this.how)).toBe(model.state === 'running')
    await clock.settle()
    if (model.state !== 'running') return
    const type: Exit['type'] = this.how === 'crash' ? 'crashed' : 'normal'
    model.restartsAtMs = model.restartsAtMs.filter(
      atMs => policy.type !== 'temporary' && model.nowMs - atMs < policy.windowMs
    )
    if (policy.type === 'temporary' || (policy.type === 'transient' && this.how === 'finish')) {
      model.state = 'ended'
      model.outcomes.push(`${type} end`)
    } else if (model.restartsAtMs.length === policy.restartCountMax) {
      model.state = 'ended'
      model.outcomes.push(`${type} ${policy.whenExhausted}`)
    } else {
      model.state = 'waiting'
      model.restartAtMs = model.nowMs + Math.min(policy.backOffMaxMs, policy.backOffMs * 2 ** model.restartsAtMs.length)
      model.restartsAtMs.push(model.nowMs)
      model.outcomes.push(`${type} restart`)
    }
  }
  toString = () => this.how
}

class Pass implements fc.AsyncCommand<Model, Real> {
  readonly ms: number
  constructor(ms: number) {
    this.ms = ms
  }
  check = () => true
  async run(model: Model, { clock, log }: Real): Promise<void> {
    await clock.advance(this.ms)
    model.nowMs += this.ms
    if (model.state === 'waiting' && model.restartAtMs <= model.nowMs) {
      model.state = 'running'
      model.startCount++
    }
    expect(log.filter(line => line.startsWith('start'))).toHaveLength(model.startCount)
    expect(log.filter(line => !line.startsWith('start'))).toEqual(model.outcomes)
  }
  toString = () => `pass ${this.ms}`
}

class Stop implements fc.AsyncCommand<Model, Real> {
  check = (model: Readonly<Model>) => model.startCount > 2
  async run(model: Model, { child, clock }: Real): Promise<void> {
    child.stop('script')
    await clock.settle()
    if (model.state !== 'ended') model.outcomes.push('normal end')
    model.state = 'ended'
  }
  toString = () => 'stop'
}

it('restarts, waits, gives up and escalates as its policy says, whatever happens when', async () => {
  const counted = fc.record({
    type: fc.constantFrom('permanent' as const, 'transient' as const),
    restartCountMax: fc.nat(4),
    windowMs: fc.integer({ min: 1, max: 2_000 }),
    backOffMs: fc.integer({ min: 0, max: 300 }),
    backOffMaxMs: fc.integer({ min: 0, max: 600 }),
    whenExhausted: fc.constantFrom('give-up' as const, 'escalate' as const)
  })
  const policies: fc.Arbitrary<RestartPolicy> = fc.oneof(
    { weight: 8, arbitrary: counted },
    fc.constant({ type: 'temporary' as const })
  )
  const commands = fc.commands(
    [
      fc.constantFrom(new Leave('crash'), new Leave('finish')),
      fc.integer({ min: 0, max: 700 }).map(ms => new Pass(ms)),
      fc.constant(new Stop())
    ],
    { size: 'large', maxCommands: 60 }
  )
  await fc.assert(
    fc.asyncProperty(policies, commands, async (policy, script) => {
      const real: Real = { ...startFamily(policy), policy }
      const model: Model = {
        nowMs: 0,
        state: 'running',
        restartAtMs: 0,
        restartsAtMs: [],
        startCount: 1,
        outcomes: []
      }
      await fc.asyncModelRun(() => ({ model, real }), script)
      await new Pass(0).run(model, real)
      real.parent.stop('script is over')
      const hasEscalated = model.outcomes.at(-1)?.endsWith('escalate') ?? false
      expect((await real.parent.exited).type).toBe(hasEscalated ? 'crashed' : 'normal')
    }),
    { numRuns: 150 }
  )
})
