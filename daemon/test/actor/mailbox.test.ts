import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Letter, Mailbox } from '../../src/actor/mailbox.ts'

const kinds = fc.constantFrom<Letter<number>['kind']>('data', 'control')

describe('Mailbox', () => {
  it('refuses what has no room and keeps room for control mail under a flood of data', () => {
    const mailbox = new Mailbox<number>({ dataCountMax: 2, controlCountMax: 1 })
    const put = (message: number, kind: Letter<number>['kind']) => mailbox.put({ message, kind, isLive: true })
    expect([put(1, 'data'), put(2, 'data'), put(3, 'data')]).toEqual([true, true, false])
    expect([put(4, 'control'), put(5, 'control')]).toEqual([true, false])
    expect([1, 2, 3, 4].map(() => mailbox.take()?.message)).toEqual([1, 2, 4, undefined])
    expect(put(6, 'data')).toBe(true)
  })

  it('behaves as a list with a count for each kind, whatever is put and taken', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), kind: kinds }),
      fc.record({ do: fc.constant('take' as const) })
    )
    fc.assert(
      fc.property(fc.nat(4), fc.nat(4), fc.array(step, { maxLength: 200 }), (dataCountMax, controlCountMax, steps) => {
        const mailbox = new Mailbox<number>({ dataCountMax, controlCountMax })
        const model: { message: number; kind: Letter<number>['kind'] }[] = []
        const roomOf = { data: dataCountMax, control: controlCountMax }
        steps.forEach((step, message) => {
          if (step.do === 'take') {
            expect(mailbox.take()?.message).toBe(model.shift()?.message)
            return
          }
          const hasRoom = model.filter(letter => letter.kind === step.kind).length < roomOf[step.kind]
          if (hasRoom) model.push({ message, kind: step.kind })
          expect(mailbox.put({ message, kind: step.kind, isLive: true })).toBe(hasRoom)
        })
      })
    )
  })
})
