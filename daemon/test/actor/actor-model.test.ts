import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Actor } from '../../src/actor/actor.ts'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'

interface Mail {
  readonly id: number
  /** Control mail that the actor tells itself while it handles this. */
  readonly echoes: readonly number[]
}

interface Model {
  readonly dataCountMax: number
  readonly waiting: (Mail & { readonly kind: 'data' | 'control' })[]
  readonly handled: number[]
  end: 'normal' | 'crashed' | undefined
}

interface Real {
  readonly clock: VirtualClock
  readonly actor: Actor<Mail>
  readonly handled: number[]
}

/** Tells many in one turn: a mailbox only fills while nobody lets go of the stack. */
class TellAll implements fc.AsyncCommand<Model, Real> {
  readonly mails: (Mail & { readonly kind: 'data' | 'control' })[]
  constructor(mails: (Mail & { readonly kind: 'data' | 'control' })[]) {
    this.mails = mails
  }
  check = () => true
  async run(model: Model, real: Real): Promise<void> {
    for (const mail of this.mails) {
      const dataCount = model.waiting.filter(({ kind }) => kind === 'data').length
      const isTaken = model.end === undefined && (mail.kind === 'control' || dataCount < model.dataCountMax)
      if (isTaken) model.waiting.push(mail)
      expect(real.actor.tell(mail, mail.kind)).toBe(isTaken)
    }
    await settle(model, real)
  }
  toString = () => `tell ${JSON.stringify(this.mails)}`
}

/** What the actor does in one turn, on both sides. */
async function settle(model: Model, real: Real): Promise<void> {
  for (let mail = model.waiting.shift(); mail !== undefined; mail = model.waiting.shift()) {
    model.handled.push(mail.id)
    model.waiting.push(...mail.echoes.map(id => ({ id, echoes: [], kind: 'control' as const })))
  }
  await real.clock.settle()
  expect(real.handled).toEqual(model.handled)
}

class End implements fc.AsyncCommand<Model, Real> {
  readonly how: 'normal' | 'crashed'
  readonly dropped: Mail[]
  constructor({ how, mails }: { readonly how: 'normal' | 'crashed'; readonly mails: Mail[] }) {
    this.how = how
    this.dropped = mails
  }
  check = (model: Readonly<Model>) => model.handled.length > 40
  async run(model: Model, real: Real): Promise<void> {
    model.end ??= this.how
    for (const mail of this.dropped) real.actor.tell(mail)
    if (this.how === 'normal') real.actor.stop('script')
    else real.actor.crash(new Error('script'))
    expect((await real.actor.exited).type).toBe(model.end)
  }
  toString = () => `end ${this.how}`
}

it('handles exactly what it took, once and in order, and nothing after its end', async () => {
  const id = fc.nat(999)
  const kind = fc.constantFrom<'data' | 'control'>('data', 'control')
  const mail = fc.record({ id, echoes: fc.array(id, { maxLength: 3 }), kind })
  const commands = fc.commands(
    [
      fc.array(mail, { maxLength: 12 }).map(mails => new TellAll(mails)),
      fc
        .record({ mails: fc.array(mail), how: fc.constantFrom<'normal' | 'crashed'>('normal', 'crashed') })
        .map(args => new End(args))
    ],
    { size: 'large', maxCommands: 60 }
  )
  await fc.assert(
    fc.asyncProperty(commands, fc.nat(5), async (script, dataCountMax) => {
      const clock = new VirtualClock()
      const handled: number[] = []
      const actor = new Actor<Mail>({ name: 'subject', dataCountMax, controlCountMax: 400 }, clock, self => ({
        receive({ id, echoes }) {
          handled.push(id)
          for (const echo of echoes) self.tell({ id: echo, echoes: [] }, 'control')
        }
      }))
      const model: Model = { dataCountMax, waiting: [], handled: [], end: undefined }
      await fc.asyncModelRun(() => ({ model, real: { clock, actor, handled } }), script)
    }),
    { numRuns: 150 }
  )
})
