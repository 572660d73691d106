import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readAll, readLines } from '../../src/cli/lines.ts'

const stream = (chunks: readonly Uint8Array[]): Readable => Readable.from(chunks.map(chunk => Buffer.from(chunk)))
const linesOf = async (chunks: readonly Uint8Array[], most = 1_000): Promise<string[]> => {
  const lines = await all(readLines(stream(chunks), most))
  return lines.map(line => Buffer.from(line).toString('latin1'))
}
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

describe('lines of a stream', () => {
  it('are split at line feeds alone, byte for byte, and may be empty', async () => {
    expect(await linesOf([bytes('a\r\n\n\xff\x00b\nlast')])).toEqual(['a\r', '', '\xff\x00b', 'last'])
    expect(await linesOf([bytes('a\n')])).toEqual(['a'])
    expect(await linesOf([bytes('\n')])).toEqual([''])
    expect(await linesOf([])).toEqual([])
  })

  it('are the same however the bytes are cut into chunks', async () => {
    const chunk = fc.array(fc.constantFrom(10, 13, 0, 97, 255), { maxLength: 8 }).map(values => Uint8Array.from(values))
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async chunks => {
        const whole = Buffer.concat(chunks).toString('latin1')
        const expected = whole.split('\n')
        if (expected.at(-1) === '') expected.pop()
        expect(await linesOf(chunks)).toEqual(expected)
      }),
      { numRuns: 200 }
    )
  })

  it('are refused when they are too long, before they have ended', async () => {
    expect(await linesOf([bytes('12345\n')], 5)).toEqual(['12345'])
    let chunkCount = 0
    const endless = Readable.from(
      (function* () {
        for (; chunkCount < 1_000_000; chunkCount++) yield Buffer.alloc(1_000, 97)
      })()
    )
    await expect(all(readLines(endless, 10_000))).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(chunkCount).toBeLessThan(100)
    expect(endless.destroyed).toBe(true)
  })
})

describe('a whole stream', () => {
  it('is read byte for byte, up to its limit', async () => {
    expect(await readAll(stream([bytes('ab'), bytes('\n\x00')]), 4)).toEqual(new Uint8Array([97, 98, 10, 0]))
    expect(await readAll(stream([]), 4)).toEqual(new Uint8Array(0))
    await expect(readAll(stream([bytes('abc'), bytes('de')]), 4)).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
})
