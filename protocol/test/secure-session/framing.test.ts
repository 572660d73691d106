import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes, writeU32be } from '../../src/bytes.ts'
import { lengthPrefixed } from '../../src/secure-session/framing.ts'
import { codeOfRejection } from '../support/refusal.ts'

const LIMIT = 100_000

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk
}

function decoded(chunks: readonly Uint8Array[], bytesMax = LIMIT): Promise<Uint8Array[]> {
  return Array.fromAsync(lengthPrefixed.decode(each(chunks), () => bytesMax))
}

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map(place => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

test('messages come out as they went in, however the stream was cut', async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 })
  const places = fc.array(fc.nat(), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(messages, places, async (list, at) => {
      const stream = concatBytes(...list.map(lengthPrefixed.encode))
      expect((await decoded(cut(stream, at))).map(message => [...message])).toEqual(list.map(message => [...message]))
    })
  )
})

test('a message that comes in small chunks is put together, beyond the first buffer', async () => {
  const message = new Uint8Array(LIMIT).map((_, i) => i)
  const chunks = cut(
    lengthPrefixed.encode(message),
    Array.from({ length: 99 }, (_, i) => i * 1000)
  )
  const [whole] = await decoded(chunks)
  expect(Buffer.compare(whole as Uint8Array, message)).toBe(0)
})

test('a length over the limit is refused before anything more is read', async () => {
  const prefix = new Uint8Array(4)
  writeU32be(prefix, 0, 101)
  let pulls = 0
  const source = (async function* () {
    for (;;) {
      pulls++
      yield prefix
    }
  })()
  expect(await codeOfRejection(Array.fromAsync(lengthPrefixed.decode(source, () => 100)))).toBe('INVALID_MESSAGE')
  expect(pulls).toBe(1)
})

test('the limit is asked for before each message', async () => {
  const stream = [lengthPrefixed.encode(new Uint8Array(10)), lengthPrefixed.encode(new Uint8Array(10))]
  const limits = [10, 9]
  const reading = Array.fromAsync(lengthPrefixed.decode(each(stream), () => limits.shift() ?? 0))
  expect(await codeOfRejection(reading)).toBe('INVALID_MESSAGE')
  expect(limits).toEqual([])
})

test('a stream that ends within a message is no good end', async () => {
  const stream = lengthPrefixed.encode(new Uint8Array(10))
  for (let length = 1; length < stream.length; length++) {
    expect(await codeOfRejection(decoded([stream.subarray(0, length)]))).toBe('TRANSPORT_FAILED')
  }
  expect(await decoded([])).toEqual([])
})
