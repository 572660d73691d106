/**
 * Waits for something of the caller's, but no longer than `signal` allows.
 *
 * @throws the reason of the signal
 */
export function orAborted<T>(pending: T | PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    Promise.resolve(pending)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort))
  })
}

/**
 * Reads a source one element at a time until it ends, or until the signal does, whose reason is thrown. A source that is
 * left before its end is told so.
 */
export async function* untilAborted<T>(source: AsyncIterable<T> | Iterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  try {
    for (;;) {
      const next = await orAborted(iterator.next(), signal)
      if (next.done === true) return
      yield next.value
    }
  } finally {
    leave(iterator)
  }
}

function leave(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  // Not waited for: a generator that waits for its next element answers only after it. Nobody is left to be told of a failure.
  Promise.resolve(iterator.return?.()).catch(() => undefined)
}
