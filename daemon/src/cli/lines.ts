import type { Readable } from 'node:stream'

const NEWLINE = 0x0a

/** What was read is longer than allowed. */
class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
  readonly code = 'TOO_LARGE'
}

/**
 * The lines of a byte stream without their line feeds, byte for byte. A last line without one counts; nothing after the last one
 * does not. Holds one line and one chunk at most.
 *
 * @throws {TooLargeError} for a line longer than `lineBytesMax`, before it is read to its end
 */
export async function* readLines(input: Readable, lineBytesMax: number): AsyncGenerator<Uint8Array, void, void> {
  let parts: Uint8Array[] = []
  let length = 0
  const add = (part: Uint8Array): void => {
    length += part.length
    if (length > lineBytesMax) throw new TooLargeError(`A line has more than ${lineBytesMax} bytes.`)
    parts.push(part)
  }
  const take = (): Uint8Array => {
    const line = parts.length === 1 && parts[0] !== undefined ? parts[0] : join(parts, length)
    parts = []
    length = 0
    return line
  }
  for await (const chunk of input as AsyncIterable<Uint8Array>) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end))
      yield take()
      start = end + 1
    }
    if (start < chunk.length) add(chunk.subarray(start))
  }
  if (length > 0) yield take()
}

/** All bytes of a stream. @throws {TooLargeError} as soon as there are more than `bytesMax` */
export async function readAll(input: Readable, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of input as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > bytesMax) throw new TooLargeError(`Standard input has more than ${bytesMax} bytes.`)
    parts.push(chunk)
  }
  return join(parts, length)
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
