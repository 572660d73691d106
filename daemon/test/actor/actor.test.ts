import { describe, expect, it } from 'vitest'
import { Actor, type ActorRef, UnexpectedMessageError } from '../../src/actor/actor.ts'
import type { Reply } from '../../src/actor/ask.ts'
import type { Clock, Timer } from '../../src/actor/clock.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'

const limits = { name: 'subject', dataCountMax: 100, controlCountMax: 10 }

type Message =
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'do'; readonly work: (self: Actor<Message>) => void }
  | { readonly type: 'question'; readonly reply: Reply<string> }

function startRecorder(options: Partial<typeof limits> = {}) {
  const clock = new VirtualClock()
  const seen: string[] = []
  const questions: Reply<string>[] = []
  const actor = new Actor<Message>({ ...limits, ...options }, clock, self => ({
    receive(message) {
      if (message.type === 'note') seen.push(message.text)
      else if (message.type === 'do') message.work(self)
      else questions.push(message.reply)
    },
    stopped: exit => {
      seen.push(`stopped ${exit.type}`)
    }
  }))
  return { clock, actor, seen, questions }
}

const note = (text: string): Message => ({ type: 'note', text })
const doing = (work: (self: Actor<Message>) => void): Message => ({ type: 'do', work })
const fail = (error: Error) => () => {
  throw error
}

describe('Actor', () => {
  it('handles mail of both kinds in the order of arrival, in this turn but not on the stack of the teller', async () => {
    const { actor, clock, seen } = startRecorder()
    const atEndOfTurn: string[][] = []
    expect([actor.tell(note('a')), actor.tell(note('b'), 'control'), actor.tell(note('c'))]).toEqual([true, true, true])
    expect(seen).toEqual([])
    queueMicrotask(() => clock.endOfTurn(() => atEndOfTurn.push([...seen])))
    await clock.settle()
    expect(atEndOfTurn).toEqual([['a', 'b', 'c']])
  })

  it('does not handle a message inside another, even one it tells itself', async () => {
    const { actor, clock, seen } = startRecorder()
    actor.tell(
      doing(self => {
        self.tell(note('inner'))
        seen.push('outer is over')
      })
    )
    await clock.settle()
    expect(seen).toEqual(['outer is over', 'inner'])
  })

  it('lets another actor have its turn before a long queue is worked off', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const make = (name: string) =>
      new Actor<number>({ name, dataCountMax: 1_000, controlCountMax: 1 }, clock, () => ({
        receive: () => {
          seen.push(name)
        }
      }))
    const busy = make('busy')
    const quick = make('quick')
    for (let count = 0; count < 1_000; count++) busy.tell(count)
    quick.tell(0)
    await clock.settle()
    expect(seen).toHaveLength(1_001)
    expect(seen.indexOf('quick')).toBeLessThan(100)
  })

  it('refuses data that has no room and goes on', async () => {
    const { actor, clock, seen } = startRecorder({ dataCountMax: 1 })
    expect([actor.tell(note('a')), actor.tell(note('b'))]).toEqual([true, false])
    await clock.settle()
    expect(actor.tell(note('c'))).toBe(true)
    await clock.settle()
    expect(seen).toEqual(['a', 'c'])
  })

  it('takes control mail while it is full of data, and crashes when control mail itself overflows', async () => {
    const { actor, clock, seen } = startRecorder({ dataCountMax: 1, controlCountMax: 1 })
    actor.tell(note('data'))
    expect(actor.tell(note('control'), 'control')).toBe(true)
    await clock.settle()
    expect(seen).toEqual(['data', 'control'])
    actor.tell(note('fits'), 'control')
    expect(actor.tell(note('one too many'), 'control')).toBe(false)
    expect(await actor.exited).toMatchObject({ type: 'crashed', error: { code: 'MAILBOX_FULL' } })
    expect(seen).toEqual(['data', 'control', 'stopped crashed'])
  })

  it('stops after the message in hand, drops what waits, and takes nothing more', async () => {
    const { actor, clock, seen } = startRecorder()
    actor.tell(
      doing(self => {
        self.stop('first reason')
        self.stop('second reason')
        seen.push('still in hand')
      })
    )
    actor.tell(note('dropped'))
    expect(await actor.exited).toEqual({ type: 'normal', reason: 'first reason' })
    expect(actor.tell(note('late'))).toBe(false)
    expect(actor.tell(note('late'), 'control')).toBe(false)
    await clock.settle()
    expect(seen).toEqual(['still in hand', 'stopped normal'])
  })

  it('runs nothing of itself on the stack of whoever stops it', async () => {
    const { actor, seen } = startRecorder()
    actor.stop('enough')
    expect(seen).toEqual([])
    await actor.exited
    expect(seen).toEqual(['stopped normal'])
  })

  it.each<[string, (self: Actor<Message>) => void]>([
    ['a thrown error', fail(new UnexpectedMessageError('note', 'closed'))],
    [
      'an error after a decision to stop',
      self => {
        self.stop('enough')
        throw new UnexpectedMessageError('note', 'closed')
      }
    ],
    ['a declared crash', self => self.crash(new UnexpectedMessageError('note', 'closed'))]
  ])('is crashed by %s', async (_name, work) => {
    const { actor, seen } = startRecorder()
    actor.tell(doing(work))
    expect(await actor.exited).toEqual({ type: 'crashed', error: new UnexpectedMessageError('note', 'closed') })
    expect(seen).toEqual(['stopped crashed'])
  })

  it('is crashed by a handler that awaits', async () => {
    const actor = new Actor<number>(limits, new VirtualClock(), () => ({
      receive: () => Promise.resolve() as unknown as undefined
    }))
    actor.tell(1)
    expect(await actor.exited).toMatchObject({ type: 'crashed', error: expect.any(TypeError) })
  })

  it('is crashed by a start that throws, and has nothing to release then', async () => {
    const actor = new Actor<Message>(limits, new VirtualClock(), fail(new RangeError('no start')))
    expect(actor.tell(note('late'))).toBe(false)
    expect(await actor.exited).toMatchObject({ type: 'crashed', error: expect.any(RangeError) })
  })

  it('may stop itself while it starts', async () => {
    const actor = new Actor<Message>(limits, new VirtualClock(), self => {
      self.stop('nothing to do')
      return { receive: fail(new Error('never told')) }
    })
    expect(await actor.exited).toEqual({ type: 'normal', reason: 'nothing to do' })
  })

  it('has exited when its release is over, and counts a failed release as a crash', async () => {
    const clock = new VirtualClock()
    const release = Promise.withResolvers<void>()
    const start = () => ({ receive: fail(new Error('never told')), stopped: () => release.promise })
    const actor = new Actor<Message>(limits, clock, start)
    let hasExited = false
    void actor.exited.then(() => {
      hasExited = true
    })
    actor.stop('enough')
    await clock.settle()
    expect(hasExited).toBe(false)
    release.reject(new RangeError('would not close'))
    expect(await actor.exited).toMatchObject({ type: 'crashed', error: expect.any(RangeError) })
  })

  it('crashes once: what fails after the end changes nothing', async () => {
    const { actor, seen } = startRecorder()
    actor.stop('enough')
    actor.crash(new RangeError('too late'))
    expect(await actor.exited).toEqual({ type: 'normal', reason: 'enough' })
    expect(seen).toEqual(['stopped normal'])
  })
})

describe('Actor.run', () => {
  it('runs code as a part of the actor: its error is the crash, and nothing runs after the end', async () => {
    const { actor, seen } = startRecorder()
    actor.run(() => seen.push('ran'))
    actor.run(fail(new RangeError('broken')))
    actor.run(() => seen.push('never'))
    expect(await actor.exited).toMatchObject({ type: 'crashed', error: expect.any(RangeError) })
    expect(seen).toEqual(['ran', 'stopped crashed'])
  })

  it('inside a message leaves the end until that message is handled', async () => {
    const { actor, seen } = startRecorder()
    actor.tell(
      doing(self => {
        self.run(() => self.stop('enough'))
        seen.push('rest of the message')
      })
    )
    await actor.exited
    expect(seen).toEqual(['rest of the message', 'stopped normal'])
  })
})

describe('Actor.after', () => {
  it('tells the actor its message when the time is over', async () => {
    const { actor, clock, seen } = startRecorder()
    actor.after(100, note('due'))
    await clock.advance(99)
    expect(seen).toEqual([])
    await clock.advance(1)
    expect(seen).toEqual(['due'])
  })

  it('never tells a message cancelled before its time', async () => {
    const { actor, clock, seen } = startRecorder()
    actor.after(100, note('cancelled')).cancel()
    await clock.advance(100)
    expect(seen).toEqual([])
  })

  it('never tells a cancelled message that already waits in the mailbox', async () => {
    const virtual = new VirtualClock()
    const timers: Timer[] = []
    // Cancels everything in the very turn in which a timer comes due, before the actor can have looked.
    const cancelling: Clock = {
      wallMs: () => virtual.wallMs(),
      monotonicMs: () => virtual.monotonicMs(),
      endOfTurn: run => virtual.endOfTurn(run),
      timer: (delayMs, run) =>
        virtual.timer(delayMs, () => {
          run()
          for (const timer of timers) timer.cancel()
        })
    }
    const seen: string[] = []
    const actor = new Actor<string>(limits, cancelling, () => ({
      receive: text => {
        seen.push(text)
      }
    }))
    timers.push(actor.after(100, 'waits and is cancelled'))
    await virtual.advance(100)
    actor.tell('next')
    await virtual.settle()
    expect(seen).toEqual(['next'])
  })

  it('leaves no timer behind when the actor ends', async () => {
    const { actor, clock } = startRecorder()
    actor.after(100, note('never'))
    actor.after(1_000, note('never')).cancel()
    actor.stop('enough')
    await actor.exited
    expect(clock.timerCount).toBe(0)
  })
})

describe('Actor.pipe', () => {
  it('tells the actor the outcome, good or bad, even when it is full of data', async () => {
    const { actor, clock, seen } = startRecorder({ dataCountMax: 0 })
    actor.pipe(Promise.resolve('good'), note, () => note('unexpected'))
    actor.pipe(
      Promise.reject(new RangeError('bad')),
      () => note('unexpected'),
      error => note((error as Error).message)
    )
    await clock.settle()
    expect(seen.sort()).toEqual(['bad', 'good'])
  })

  it('is dropped when the actor has ended', async () => {
    const { actor, clock, seen } = startRecorder()
    const work = Promise.withResolvers<string>()
    actor.pipe(work.promise, note, () => note('failed'))
    actor.stop('enough')
    work.resolve('late')
    await clock.settle()
    expect(seen).toEqual(['stopped normal'])
  })

  it('crashes the actor when the outcome cannot be made a message', async () => {
    const { actor } = startRecorder()
    actor.pipe(Promise.resolve('x'), fail(new RangeError('broken')), () => note('failed'))
    expect(await actor.exited).toMatchObject({ type: 'crashed', error: expect.any(RangeError) })
  })
})

describe('Actor.ask', () => {
  const ask = (actor: ActorRef<Message>, deadlineMs = 100) =>
    actor.ask<string>(deadlineMs, reply => ({ type: 'question', reply }))

  it('resolves with the first reply and leaves no timer', async () => {
    const { actor, clock, questions } = startRecorder()
    const answer = ask(actor)
    await clock.settle()
    questions[0]?.resolve('yes')
    questions[0]?.resolve('no')
    questions[0]?.reject(new RangeError('no'))
    expect(await answer).toBe('yes')
    await clock.settle()
    expect(clock.timerCount).toBe(0)
  })

  it('rejects with what the actor refuses with, and the actor goes on', async () => {
    const { actor, clock, questions, seen } = startRecorder()
    const answer = ask(actor)
    await clock.settle()
    questions[0]?.reject(new RangeError('refused'))
    await expect(answer).rejects.toBeInstanceOf(RangeError)
    actor.tell(note('alive'))
    await clock.settle()
    expect(seen).toEqual(['alive'])
  })

  it('rejects with TIMED_OUT at the deadline; a later reply does nothing', async () => {
    const { actor, clock, questions } = startRecorder()
    const outcome = expect(ask(actor, 250)).rejects.toMatchObject({ code: 'TIMED_OUT' })
    await clock.advance(249)
    expect(clock.timerCount).toBe(1)
    await clock.advance(1)
    await outcome
    questions[0]?.resolve('late')
    await clock.settle()
    expect(clock.timerCount).toBe(0)
  })

  it('rejects with MAILBOX_FULL when there is no room', async () => {
    const { actor, clock } = startRecorder({ dataCountMax: 0 })
    await expect(ask(actor)).rejects.toMatchObject({ code: 'MAILBOX_FULL' })
    await clock.settle()
    expect(clock.timerCount).toBe(0)
  })

  it('rejects with STOPPED when the actor has ended, and with the crash as the cause when it ends unanswered', async () => {
    const { actor, clock } = startRecorder()
    const error = new RangeError('broken')
    const held = expect(ask(actor)).rejects.toMatchObject({ code: 'STOPPED', cause: error })
    await clock.settle()
    actor.tell(doing(fail(error)))
    const waiting = expect(ask(actor)).rejects.toMatchObject({ code: 'STOPPED', cause: error })
    await actor.exited
    await Promise.all([held, waiting])
    await expect(ask(actor)).rejects.toMatchObject({ code: 'STOPPED' })
    expect(clock.timerCount).toBe(0)
  })
})
