import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { themisStatus } from '../../src/errors.ts'
import { SecureComparator } from '../../src/secure-comparator/comparator.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf } from '../support/refusal.ts'

const text = (value: string) => new TextEncoder().encode(value)

function comparatorOf(name: string, ...pieces: readonly string[]): SecureComparator {
  const comparator = new SecureComparator({ randomBytes: seededBytes(name) })
  for (const piece of pieces) comparator.append(text(piece))
  return comparator
}

function run(initiator: SecureComparator, responder: SecureComparator): readonly Uint8Array[] {
  const message1 = initiator.begin()
  const message2 = responder.receive(message1) as Uint8Array
  const message3 = initiator.receive(message2) as Uint8Array
  const message4 = responder.receive(message3) as Uint8Array
  expect(initiator.receive(message4)).toBe(undefined)
  return [message1, message2, message3, message4]
}

describe('a Secure Comparator', () => {
  test.each([
    { what: 'one secret', ours: ['secret'], theirs: ['secret'], result: 'match' },
    { what: 'one secret in other pieces', ours: ['s', 'ecr', 'et'], theirs: ['secre', 't'], result: 'match' },
    { what: 'a thousand pieces', ours: Array(1000).fill('ab'), theirs: ['ab'.repeat(1000)], result: 'match' },
    { what: 'another secret', ours: ['secret'], theirs: ['Secret'], result: 'no-match' },
    { what: 'a secret that is longer by a byte', ours: ['secret'], theirs: ['secret\0'], result: 'no-match' }
  ])('with $what: both sides say $result', ({ ours, theirs, result }) => {
    const initiator = comparatorOf('a', ...ours)
    const responder = comparatorOf('b', ...theirs)
    run(initiator, responder)
    expect([initiator.result, responder.result]).toEqual([result, result])
    expect([initiator.finished, responder.finished]).toEqual([true, true])
    expect([initiator.role, responder.role]).toEqual(['initiator', 'responder'])
  })

  test('says nothing of the result before it stands', () => {
    const [initiator, responder] = [comparatorOf('a', 'secret'), comparatorOf('b', 'secret')]
    expect(initiator.role).toBe(undefined)
    const message2 = responder.receive(initiator.begin()) as Uint8Array
    const message3 = initiator.receive(message2) as Uint8Array
    expect([initiator.result, responder.result]).toEqual(['pending', 'pending'])
    const message4 = responder.receive(message3) as Uint8Array
    expect([initiator.result, responder.result]).toEqual(['pending', 'match'])
    initiator.receive(message4)
    expect(initiator.result).toBe('match')
  })

  test.each([
    { number: 1, offset: 70, initiatorSays: 'match', responderSays: 'no-match' },
    { number: 2, offset: 130, initiatorSays: 'no-match', responderSays: 'match' },
    { number: 3, offset: 200, initiatorSays: 'match', responderSays: 'no-match' },
    { number: 4, offset: 40, initiatorSays: 'no-match', responderSays: 'match' }
  ])(
    'turns to no match for good at a bad proof in message $number, goes on, and lets the other side see a match',
    row => {
      const { number, offset, initiatorSays, responderSays } = row
      const [initiator, responder] = [comparatorOf('a', 'secret'), comparatorOf('b', 'secret')]
      let message = initiator.begin()
      for (const at of [1, 2, 3, 4]) {
        const taker = at % 2 === 1 ? responder : initiator
        const reply = taker.receive(at === number ? flipped(message, offset) : message)
        if (at >= number && taker === (number % 2 === 1 ? responder : initiator)) expect(taker.result).toBe('no-match')
        if (reply !== undefined) message = reply
      }
      expect([initiator.result, responder.result]).toEqual([initiatorSays, responderSays])
    }
  )

  test('refuses what Themis refuses, with its number', () => {
    const empty = comparatorOf('a')
    const calls = [
      () => empty.append(new Uint8Array(0)),
      () => empty.begin(),
      () => empty.receive(new Uint8Array(192)),
      ...finishedCalls()
    ]
    for (const call of calls) expect(themisStatus(thrownBy(call))).toBe(12)
    expect(empty.result).toBe('pending')
    empty.append(text('secret'))
    expect(empty.begin().length).toBe(192)
    expect(codeOf(() => empty.begin())).toBe('INVALID_STATE')
    expect(codeOf(() => empty.append(text('more')))).toBe('INVALID_STATE')
  })

  test('two that both begin refuse each other, and each goes on with a responder', () => {
    const [left, right] = [comparatorOf('left', 'secret'), comparatorOf('right', 'secret')]
    const [fromLeft, fromRight] = [left.begin(), right.begin()]
    expect(codeOf(() => left.receive(fromRight))).toBe('INVALID_MESSAGE')
    expect(codeOf(() => right.receive(fromLeft))).toBe('INVALID_MESSAGE')
    for (const [initiator, message1] of [
      [left, fromLeft],
      [right, fromRight]
    ] as const) {
      const responder = comparatorOf('responder', 'secret')
      const message3 = initiator.receive(responder.receive(message1) as Uint8Array) as Uint8Array
      initiator.receive(responder.receive(message3) as Uint8Array)
      expect([initiator.result, responder.result]).toEqual(['match', 'match'])
    }
  })

  test('keeps its result when it is wiped, and then refuses everything', () => {
    const [initiator, responder] = [comparatorOf('a', 'secret'), comparatorOf('b', 'secret')]
    const [message1] = run(initiator, responder)
    responder.wipe()
    responder.wipe()
    expect(responder.result).toBe('match')
    expect(codeOf(() => responder.receive(message1 as Uint8Array))).toBe('UNEXPECTED_MESSAGE')
    const unused = comparatorOf('c', 'secret')
    unused[Symbol.dispose]()
    expect([unused.result, unused.finished]).toEqual(['pending', true])
    expect(codeOf(() => unused.begin())).toBe('INVALID_STATE')
  })

  test('shows no secret to inspect or JSON', () => {
    const comparator = comparatorOf('a', 'secret')
    expect(JSON.stringify(comparator)).toBe('{}')
    expect(inspect(comparator, { depth: 10, getters: true })).toBe('SecureComparator {}')
    comparator.begin()
    expect(inspect(comparator, { depth: 10, getters: true })).toBe('SecureComparator {}')
  })
})

function finishedCalls(): (() => unknown)[] {
  const [initiator, responder] = [comparatorOf('a', 'secret'), comparatorOf('b', 'secret')]
  const messages = run(initiator, responder)
  return [initiator, responder].flatMap(side => [
    () => side.begin(),
    () => side.append(text('more')),
    ...messages.map(message => () => side.receive(message))
  ])
}

function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
