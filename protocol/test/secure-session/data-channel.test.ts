import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes, writeU32be } from '../../src/bytes.ts'
import { DataChannel, type SequenceNumbers } from '../../src/secure-session/data-channel.ts'
import { openDataMessage, sealDataMessage, WRAP_OVERHEAD_BYTES } from '../../src/secure-session/data-message.ts'
import type { ReceivePolicy } from '../../src/secure-session/receive-policy.ts'
import type { SessionSecrets } from '../../src/secure-session/state.ts'
import { importAesKey, sealGcm } from '../../src/soter/aead.ts'
import { NOW_SECONDS } from '../support/peers.ts'
import { flipped, seededBytes } from '../support/random.ts'
import { codeOf, succeedsOrRefuses } from '../support/refusal.ts'

const secrets: SessionSecrets = {
  sessionId: Uint8Array.of(1, 2, 3, 4),
  masterKey: new Uint8Array(32).fill(0x11)
}
const randomBytes = seededBytes('data channel')

function channelPair(receivePolicy: ReceivePolicy, start?: number): [DataChannel, DataChannel] {
  const sequenceNumbers: SequenceNumbers | undefined =
    start === undefined ? undefined : { outgoing: start, incoming: start }
  const options = { secrets, receivePolicy, randomBytes, sequenceNumbers }
  return [new DataChannel({ ...options, role: 'client' }), new DataChannel({ ...options, role: 'server' })]
}

const wrap = (channel: DataChannel, text: string) =>
  concatBytes(...channel.wrapParts([new TextEncoder().encode(text)], NOW_SECONDS))
const unwrap = (channel: DataChannel, bytes: Uint8Array) =>
  new TextDecoder().decode(channel.unwrap(bytes, NOW_SECONDS).message)

test('keys and first numbers are those that Themis derives', () => {
  const [client, server] = channelPair('ordered')
  expect(client.sequenceNumbers).toEqual({ outgoing: 1682221211, incoming: 545001266 })
  expect(server.sequenceNumbers).toEqual({ outgoing: 545001266, incoming: 1682221211 })
  expect(client.sessionId).toBe(0x04030201)
})

describe('receive policy ordered', () => {
  test('goes on across 2^32, from 0xFFFFFFFE', () => {
    const [client, server] = channelPair('ordered', 0xfffffffe)
    for (const text of ['fe', 'ff', '0', '1', '2']) {
      expect(unwrap(server, wrap(client, text))).toBe(text)
      expect(unwrap(client, wrap(server, text))).toBe(text)
    }
    expect(client.sequenceNumbers).toEqual({ outgoing: 3, incoming: 3 })
  })

  test('refuses a repetition, a gap and a swap, each without moving', () => {
    const [client, server] = channelPair('ordered', 0xfffffffe)
    const messages = ['a', 'b', 'c', 'd'].map(text => wrap(client, text)) as [Uint8Array, ...Uint8Array[]]
    expect(codeOf(() => unwrap(server, messages[1] as Uint8Array))).toBe('SEQUENCE_OUT_OF_RANGE')
    expect(unwrap(server, messages[0])).toBe('a')
    expect(codeOf(() => unwrap(server, messages[0]))).toBe('SEQUENCE_OUT_OF_RANGE')
    expect(codeOf(() => unwrap(server, messages[3] as Uint8Array))).toBe('SEQUENCE_OUT_OF_RANGE')
    for (const [i, text] of ['b', 'c', 'd'].entries()) {
      expect(unwrap(server, messages[i + 1] as Uint8Array)).toBe(text)
    }
    expect(server.counts).toEqual({ wrapped: 0, unwrapped: 4 })
  })

  test('does not judge the time, and reports it', () => {
    const [client, server] = channelPair('ordered')
    for (const sentAtSeconds of [0, 1, NOW_SECONDS + 10 * 86_400, Number.MAX_SAFE_INTEGER]) {
      const wrapped = concatBytes(...client.wrapParts([Uint8Array.of(7)], sentAtSeconds))
      expect(server.unwrap(wrapped, NOW_SECONDS)).toEqual({ message: Uint8Array.of(7), sentAtSeconds })
    }
  })
})

describe('receive policy themis', () => {
  test('takes what lies within 8, repetitions too, and moves to the last accepted', () => {
    const [client, server] = channelPair('themis', 1000)
    const messages = Array.from({ length: 20 }, (_, i) => wrap(client, String(i)))
    const take = (i: number) => unwrap(server, messages[i] as Uint8Array)
    expect(take(8)).toBe('8')
    expect(take(8)).toBe('8')
    expect(codeOf(() => take(17))).toBe('SEQUENCE_OUT_OF_RANGE')
    expect(take(16)).toBe('16')
    expect(codeOf(() => take(7))).toBe('SEQUENCE_OUT_OF_RANGE')
    expect(take(8)).toBe('8')
    expect(take(0)).toBe('0')
  })

  test('is dead where the window meets 2^32, as Themis is', () => {
    for (const start of [0, 7, 0xfffffff8, 0xffffffff]) {
      const [client, server] = channelPair('themis', start)
      expect(codeOf(() => unwrap(server, wrap(client, 'x')))).toBe('SEQUENCE_OUT_OF_RANGE')
    }
    for (const start of [8, 0xfffffff7]) {
      const [client, server] = channelPair('themis', start)
      expect(unwrap(server, wrap(client, 'x'))).toBe('x')
    }
  })

  test('takes a day either way, limits included', () => {
    const [client, server] = channelPair('themis')
    const sentAt = (seconds: number) => concatBytes(...client.wrapParts([Uint8Array.of(1)], seconds))
    for (const offset of [-86_400, 86_400]) server.unwrap(sentAt(NOW_SECONDS + offset), NOW_SECONDS)
    for (const offset of [-86_401, 86_401]) {
      expect(codeOf(() => server.unwrap(sentAt(NOW_SECONDS + offset), NOW_SECONDS))).toBe('TIME_OUT_OF_RANGE')
    }
  })
})

describe.each<ReceivePolicy>(['themis', 'ordered'])('data messages with policy %s', policy => {
  test('unwrapping gives back what was wrapped, however it was cut into parts', () => {
    const [client, server] = channelPair(policy)
    const parts = fc
      .array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 })
      .filter(list => list.some(part => part.length > 0))
    fc.assert(
      fc.property(parts, list => {
        const wrapped = concatBytes(...client.wrapParts(list, NOW_SECONDS))
        expect(server.unwrap(wrapped, NOW_SECONDS).message).toEqual(concatBytes(...list))
        expect(wrapped.length).toBe(concatBytes(...list).length + WRAP_OVERHEAD_BYTES)
      })
    )
  })

  test('any changed bit is refused, but for the four IV bytes that nothing covers, and moves nothing', () => {
    const [client, server] = channelPair(policy)
    const wrapped = wrap(client, 'hello')
    for (let offset = 0; offset < wrapped.length; offset++) {
      if (offset >= 16 && offset < 20) continue
      const code = codeOf(() => unwrap(server, flipped(wrapped, offset, offset % 8)))
      expect(code).toBe(offset < 4 ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED')
    }
    expect(unwrap(server, flipped(wrapped, 16))).toBe('hello')
  })

  test('any cut and any addition is refused', () => {
    const [client, server] = channelPair(policy)
    const wrapped = wrap(client, 'hello')
    for (let length = 0; length < wrapped.length; length++) {
      const code = length <= WRAP_OVERHEAD_BYTES ? 'INVALID_MESSAGE' : 'AUTHENTICATION_FAILED'
      expect(codeOf(() => unwrap(server, wrapped.subarray(0, length)))).toBe(code)
    }
    expect(codeOf(() => unwrap(server, concatBytes(wrapped, Uint8Array.of(0))))).toBe('AUTHENTICATION_FAILED')
    expect(unwrap(server, wrapped)).toBe('hello')
  })

  test('a message of the own direction, or of another session with the same keys, is refused', () => {
    const [client, server] = channelPair(policy)
    expect(codeOf(() => unwrap(client, wrap(client, 'mirror')))).toBe('AUTHENTICATION_FAILED')
    const wrapped = wrap(client, 'renamed')
    wrapped[0] = 9
    expect(codeOf(() => unwrap(server, wrapped))).toBe('INVALID_MESSAGE')
  })

  test('hostile bytes cause nothing but ProtocolError', () => {
    const [, server] = channelPair(policy)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        expect(succeedsOrRefuses(() => server.unwrap(bytes, NOW_SECONDS))).toBe(false)
      })
    )
  })
})

test('a message in one part is, byte for byte, what it is as a whole', () => {
  const bothWays = [1, 100, 16_384, 16_385, 100_000].map(length => {
    const [first, second] = [seededBytes('same'), seededBytes('same')].map(
      random => new DataChannel({ role: 'client', secrets, receivePolicy: 'ordered', randomBytes: random })
    ) as [DataChannel, DataChannel]
    const message = randomBytes(length)
    return [first.wrap(message, NOW_SECONDS), concatBytes(...second.wrapParts([message], NOW_SECONDS))]
  })
  for (const [whole, joined] of bothWays) {
    expect(Buffer.compare(whole as Uint8Array, joined as Uint8Array)).toBe(0)
  }
})

test('large messages in parts are opened as one', () => {
  const [client, server] = channelPair('ordered')
  const parts = [1, 16_384, 16_385, 100_000, 1, 0, 200_000].map(length => randomBytes(length))
  const wrapped = client.wrapParts(parts, NOW_SECONDS)
  // Clear bytes, header with small parts, two large parts, small ones, a large part, tag: nothing large was copied.
  expect(wrapped.map(({ length }) => length)).toEqual([20, 16 + 16_385, 16_385, 100_000, 1, 200_000, 16])
  const { message } = server.unwrap(concatBytes(...wrapped), NOW_SECONDS)
  expect(Buffer.compare(message, concatBytes(...parts))).toBe(0)
})

describe('one data message', () => {
  const key = importAesKey(new Uint8Array(32).fill(3))
  const fields = { sessionId: 1, sequence: 2, sentAtSeconds: 3, iv: new Uint8Array(16).fill(4) }

  test('its nonce is the first 12 of 16 IV bytes', () => {
    const [iv, other] = [new Uint8Array(16).fill(4), new Uint8Array(16).fill(4, 0, 12)]
    const sealed = [iv, other].map(bytes => sealDataMessage(key, { ...fields, iv: bytes }, Uint8Array.of(5)))
    expect(sealed[0]).not.toEqual(sealed[1])
    expect(sealed[0]?.slice(20)).toEqual(sealed[1]?.slice(20))
  })

  test('a declared length that is not the real one is refused, though the tag is right', () => {
    for (const declared of [0, 11, 12, 31, 33, 0xffffffff]) {
      expect(codeOf(() => openDataMessage(key, sealHeader(declared, 3)))).toBe('INVALID_MESSAGE')
    }
    expect(openDataMessage(key, sealHeader(32, 3)).message).toEqual(new Uint8Array(20))
  })

  test('a time beyond safe integers is reported as the largest of them', () => {
    expect(openDataMessage(key, sealHeader(32, 0xffffffff)).sentAtSeconds).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('nothing to wrap, too much, or a time that is none, is a wrong call', () => {
    const [client] = channelPair('ordered')
    for (const parts of [[], [new Uint8Array(0)]]) {
      expect(() => client.wrapParts(parts, NOW_SECONDS)).toThrow(RangeError)
    }
    for (const seconds of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => client.wrapParts([Uint8Array.of(1)], seconds)).toThrow(RangeError)
      expect(() => client.unwrap(new Uint8Array(100), seconds)).toThrow(RangeError)
    }
    const huge = Object.create(Uint8Array.prototype, { length: { value: 2 ** 31 } }) as Uint8Array
    expect(() => client.wrapParts([huge], NOW_SECONDS)).toThrow(RangeError)
    expect(() => client.wrap(huge, NOW_SECONDS)).toThrow(RangeError)
    expect(() => client.wrap(new Uint8Array(0), NOW_SECONDS)).toThrow(RangeError)
    expect(client.counts.wrapped).toBe(0)
  })
})

/** Seals 20 bytes under a header of our making, as only a holder of the key can. */
function sealHeader(declaredBytes: number, timeHigh: number): Uint8Array {
  const header = new Uint8Array(16)
  writeU32be(header, 0, declaredBytes)
  writeU32be(header, 8, timeHigh)
  const clear = new Uint8Array(20)
  const key = importAesKey(new Uint8Array(32).fill(3))
  return concatBytes(clear, ...sealGcm(key, clear.subarray(4, 16), [header, new Uint8Array(20)]))
}
