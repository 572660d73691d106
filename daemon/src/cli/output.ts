import type { Writable } from 'node:stream'

/** Nobody reads our output any more, as after `| head`: the command ends without a word. */
export class BrokenPipeError extends Error {
  override readonly name = 'BrokenPipeError'
}

/** Standard output or error: writes that wait for the reader, and an end that is noticed. */
export class Output {
  readonly #stream: Writable
  readonly #gone = new AbortController()

  constructor(stream: Writable) {
    this.#stream = stream
    // A write's own callback tells its caller; the event would otherwise end the process.
    stream.on('error', (error: NodeJS.ErrnoException) => this.#gone.abort(asBrokenPipe(error)))
  }

  /** Aborted once nothing can be written any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /**
   * Writes, and resolves once the operating system has it: a slow reader holds the caller back.
   *
   * @throws {BrokenPipeError} nobody reads any more; other errors as the stream gives them
   */
  write(data: string | Uint8Array): Promise<void> {
    const written = Promise.withResolvers<void>()
    if (this.#gone.signal.aborted) written.reject(this.#gone.signal.reason)
    else this.#stream.write(data, error => (error == null ? written.resolve() : written.reject(asBrokenPipe(error))))
    return written.promise
  }

  /** One JSON value on a line of its own. */
  writeJson(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`)
  }
}

function asBrokenPipe(error: NodeJS.ErrnoException): Error {
  const isGone = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED'
  return isGone ? new BrokenPipeError('nobody reads the output', { cause: error }) : error
}
