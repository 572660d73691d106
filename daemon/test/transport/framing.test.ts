import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameReader, frameHeader, frameParts } from '../../src/transport/framing.ts'

/** The longest frame from a proven peer, as shipped. */
const PROVEN_FRAME_BYTES_MAX = 1_088 * 1024

import { pattern } from './kit.ts'

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** What a reader makes of `bytes` cut at `cuts`. */
function read(bytes: Uint8Array, cuts: readonly number[], limit = PROVEN_FRAME_BYTES_MAX): Uint8Array[] {
  const frames: Uint8Array[] = []
  const reader = new FrameReader(frame => frames.push(frame), limit)
  let from = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    reader.push(bytes.slice(from, cut))
    from = cut
  }
  reader.push(bytes.slice(from))
  expect(reader.isMidFrame).toBe(false)
  return frames
}

function codeOf(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return 'no error'
}

describe('frames', () => {
  it('are the same however the stream was cut into chunks', () => {
    const contents = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(90_000).map(length => pattern(length))
      ),
      {
        maxLength: 6
      }
    )
    fc.assert(
      fc.property(contents, fc.array(fc.nat(), { maxLength: 40 }), (frames, marks) => {
        const bytes = joined(frames.flatMap(frame => frameParts([frame])))
        const got = read(
          bytes,
          marks.map(mark => mark % (bytes.byteLength + 1))
        )
        expect(got.length).toBe(frames.length)
        frames.forEach((frame, index) => {
          expect(Buffer.compare(frame, got[index] as Uint8Array)).toBe(0)
        })
      }),
      { numRuns: 200 }
    )
  })

  it('are read byte by byte, empty ones and one of 1,088 KiB included', () => {
    const frames = [new Uint8Array(0), pattern(127), pattern(128), pattern(16_384), new Uint8Array(0)]
    const bytes = joined(frames.flatMap(frame => frameParts([frame])))
    expect(read(bytes, Array.from(bytes.keys()))).toEqual(frames)
    const long = pattern(PROVEN_FRAME_BYTES_MAX)
    const [got] = read(joined(frameParts([long])), [1, 2, 3, 70_000, 140_000, 900_000])
    expect(Buffer.compare(got as Uint8Array, long)).toBe(0)
  })

  it('take the parts of their content as they are', () => {
    const [head, first, second] = [frameHeader(7), pattern(3), pattern(4, 2)]
    const parts = frameParts([first, second])
    expect(parts[0]).toEqual(head)
    expect(parts[1]).toBe(first)
    expect(parts[2]).toBe(second)
  })

  it('are views on the chunk that holds them whole, and own their bytes otherwise', () => {
    const chunk = joined([...frameParts([pattern(10)]), ...frameParts([pattern(2_000)])])
    const frames: Uint8Array[] = []
    const reader = new FrameReader(frame => frames.push(frame), 4_096)
    reader.push(chunk.subarray(0, 500))
    const rest = chunk.slice(500)
    reader.push(rest)
    rest.fill(0)
    expect(frames[0]?.buffer).toBe(chunk.buffer)
    expect(frames[1]).toEqual(pattern(2_000))
    expect(frames[1]?.buffer.byteLength).toBe(2_000)
  })

  it('over the limit fail with FRAME_TOO_LARGE at their header, and nothing is read after', () => {
    const frames: Uint8Array[] = []
    const reader = new FrameReader(frame => frames.push(frame), 4_096)
    reader.push(joined(frameParts([pattern(4_096)])))
    const header = frameHeader(4_097)
    reader.push(header.subarray(0, 1))
    expect(codeOf(() => reader.push(header.subarray(1)))).toBe('FRAME_TOO_LARGE')
    reader.push(joined(frameParts([pattern(1)])))
    expect(frames.length).toBe(1)
  })

  it('follow a limit that is raised while a chunk is being read', () => {
    const frames: Uint8Array[] = []
    const reader = new FrameReader(frame => {
      frames.push(frame)
      if (frames.length === 2) reader.limit(PROVEN_FRAME_BYTES_MAX)
      if (frames.length === 3) reader.stop()
    }, 4_096)
    reader.push(joined([10, 20, 1_000_000, 5].flatMap(length => frameParts([pattern(length)]))))
    expect(frames.map(frame => frame.byteLength)).toEqual([10, 20, 1_000_000])
    expect(codeOf(() => new FrameReader(() => undefined, 4_096).push(frameHeader(1_000_000)))).toBe('FRAME_TOO_LARGE')
  })

  it.each([
    ['a zero written in two bytes', [0x80, 0x00]],
    ['seven written in two bytes', [0x87, 0x00]],
    ['300 written in three bytes', [0xac, 0x82, 0x00]],
    ['a length that does not end', [0xff, 0xff, 0xff, 0xff]],
    ['a length with its sign bit set', [0xff, 0xff, 0xff, 0xff, 0x0f]]
  ])('refuse %s', (_, bytes) => {
    const reader = new FrameReader(() => expect.unreachable(), PROVEN_FRAME_BYTES_MAX)
    expect(codeOf(() => reader.push(Uint8Array.from(bytes)))).toBe('FRAME_TOO_LARGE')
  })

  it('never fail but with FRAME_TOO_LARGE, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(100), (bytes, limit) => {
        const frames: Uint8Array[] = []
        const code = codeOf(() => new FrameReader(frame => frames.push(frame), limit).push(bytes))
        expect(['no error', 'FRAME_TOO_LARGE']).toContain(code)
        for (const frame of frames) expect(frame.byteLength).toBeLessThanOrEqual(limit)
      })
    )
  })

  it('cost no memory for a length alone', () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 500 }, () => {
      const reader = new FrameReader(() => undefined, PROVEN_FRAME_BYTES_MAX)
      reader.push(joined([frameHeader(PROVEN_FRAME_BYTES_MAX), pattern(100)]))
      return reader
    })
    expect(readers.every(reader => reader.isMidFrame)).toBe(true)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(500 * 100 * 1024)
  })

  it('have no header for what is no length', () => {
    for (const length of [-1, 1.5, 2 ** 28, Number.NaN]) expect(() => frameHeader(length)).toThrow(RangeError)
    expect(frameHeader(2 ** 28 - 1)).toEqual(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))
  })
})
