import { randomBytes } from 'node:crypto'
import { SecureComparator } from '@parley/protocol'
import { describe, expect, test } from 'vitest'
import { loadWasmThemis } from './wasm-themis.ts'

const themis = await loadWasmThemis()
type TheirComparator = InstanceType<typeof themis.SecureComparator>

const INVALID_PARAMETER = themis.ThemisErrorCode.INVALID_PARAMETER

function ours(...pieces: readonly Uint8Array[]): SecureComparator {
  const comparator = new SecureComparator({ randomBytes })
  for (const piece of pieces) comparator.append(piece)
  return comparator
}

function theirs(...pieces: readonly Uint8Array[]): TheirComparator {
  const comparator = new themis.SecureComparator()
  for (const piece of pieces) comparator.append(piece)
  return comparator
}

/** Runs a comparison to its end and gives what each side says. Messages pass through `change`, numbered from 1. */
function compare(
  ourRole: 'initiator' | 'responder',
  our: SecureComparator,
  their: TheirComparator,
  change = (bytes: Uint8Array, _number: number) => bytes
): { readonly ours: string; readonly theirs: boolean } {
  const isOurTurnFirst = ourRole === 'responder'
  let message: Uint8Array | undefined = isOurTurnFirst ? their.begin() : our.begin()
  for (let number = 1; number <= 4; number++) {
    const bytes = change((message as Uint8Array).slice(), number)
    const isOurTurn = isOurTurnFirst === (number % 2 === 1)
    message = isOurTurn ? our.receive(bytes) : their.proceed(bytes)
  }
  expect(their.complete()).toBe(true)
  const results = { ours: our.result, theirs: their.compareEqual() }
  their.destroy()
  return results
}

const text = (value: string) => new TextEncoder().encode(value)
const secret = new Uint8Array(randomBytes(32))

describe.each(['initiator', 'responder'] as const)('Secure Comparator with wasm-themis, we are the %s', ourRole => {
  test.each([1, 2, 31, 32, 33, 64, 1024, 1_048_576, 20 * 1_048_576])(
    'one secret of %i bytes matches on both sides',
    size => {
      const secret = new Uint8Array(randomBytes(size))
      expect(compare(ourRole, ours(secret), theirs(secret))).toEqual({ ours: 'match', theirs: true })
    }
  )

  test('secrets that differ in a bit, a byte or all do not match on either side', () => {
    const oneBit = secret.map((byte, i) => (i === 31 ? byte ^ 1 : byte))
    for (const other of [oneBit, secret.subarray(0, 31), Buffer.concat([secret, Uint8Array.of(0)]), randomBytes(32)]) {
      expect(compare(ourRole, ours(secret), theirs(other))).toEqual({ ours: 'no-match', theirs: false })
    }
  })

  test('a secret in many pieces is that in one, whoever has the pieces', () => {
    const pieces = Array.from({ length: 200 }, (_, i) => text(`piece ${i} `))
    const whole = Buffer.concat(pieces)
    expect(compare(ourRole, ours(...pieces), theirs(whole))).toEqual({ ours: 'match', theirs: true })
    expect(compare(ourRole, ours(whole), theirs(...pieces))).toEqual({ ours: 'match', theirs: true })
    expect(compare(ourRole, ours(...pieces), theirs(...pieces.toReversed()))).toEqual({
      ours: 'no-match',
      theirs: false
    })
  })

  test('forty runs with uniform nonces of ours and clamped ones of theirs all match', () => {
    for (let i = 0; i < 40; i++) {
      expect(compare(ourRole, ours(secret), theirs(secret))).toEqual({ ours: 'match', theirs: true })
    }
  })

  test.each([
    { what: 'a proof of message 1', number: 1, offset: 70, initiator: true, responder: false },
    { what: 'a proof of message 2', number: 2, offset: 60, initiator: false, responder: true },
    { what: 'the proof of the opening in message 2', number: 2, offset: 330, initiator: false, responder: true },
    { what: 'the proof of the opening in message 3', number: 3, offset: 130, initiator: true, responder: false },
    { what: 'the last proof of message 3', number: 3, offset: 230, initiator: true, responder: false },
    { what: 'the proof of message 4', number: 4, offset: 60, initiator: false, responder: true }
  ])(
    '$what, changed on its way, is noticed by the side that takes it alone',
    ({ number, offset, initiator, responder }) => {
      const results = compare(ourRole, ours(secret), theirs(secret), (bytes, at) =>
        at === number ? bytes.map((byte, i) => (i === offset ? byte ^ 1 : byte)) : bytes
      )
      const [our, their] = ourRole === 'initiator' ? [initiator, responder] : [responder, initiator]
      expect(results).toEqual({ ours: our ? 'match' : 'no-match', theirs: their })
    }
  )

  test('bytes after the end of a message are ignored by both', () => {
    const results = compare(ourRole, ours(secret), theirs(secret), bytes => Buffer.concat([bytes, text('more')]))
    expect(results).toEqual({ ours: 'match', theirs: true })
  })

  test('a message cut by a byte is refused by both, and the genuine one then taken', () => {
    const [our, their] = [ours(secret), theirs(secret)]
    if (ourRole === 'initiator') {
      const message1 = our.begin()
      expect(() => their.proceed(message1.subarray(0, -1))).toThrow(
        expect.objectContaining({ errorCode: INVALID_PARAMETER })
      )
      const message2 = their.proceed(message1) as Uint8Array
      expect(() => our.receive(message2.subarray(0, -1))).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE' }))
      their.proceed(our.receive(message2) as Uint8Array)
      expect(their.compareEqual()).toBe(true)
    } else {
      const message1 = their.begin()
      expect(() => our.receive(message1.subarray(0, -1))).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE' }))
      const message3 = their.proceed(our.receive(message1) as Uint8Array) as Uint8Array
      our.receive(message3)
      expect(our.result).toBe('match')
    }
    their.destroy()
  })
})

test('when both begin at once, both refuse the other, and either goes on with who has not begun', () => {
  const [our, their] = [ours(secret), theirs(secret)]
  const [fromUs, fromThem] = [our.begin(), their.begin()]
  expect(() => our.receive(fromThem)).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE' }))
  expect(() => their.proceed(fromUs)).toThrow(expect.objectContaining({ errorCode: INVALID_PARAMETER }))
  const fresh = { our: ours(secret), their: theirs(secret) }
  const message4 = fresh.their.proceed(our.receive(fresh.their.proceed(fromUs) as Uint8Array) as Uint8Array)
  our.receive(message4 as Uint8Array)
  const message3 = their.proceed(fresh.our.receive(fromThem) as Uint8Array)
  their.proceed(fresh.our.receive(message3 as Uint8Array) as Uint8Array)
  expect([our.result, fresh.our.result]).toEqual(['match', 'match'])
  expect([their.compareEqual(), fresh.their.compareEqual()]).toEqual([true, true])
  for (const comparator of [their, fresh.their]) comparator.destroy()
})
