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

/** Reads one element at a time until there is no more, or until the signal ends it, whose reason is thrown. */
export async function* untilAborted<T>(iterator: AnyIterator<T>, signal: AbortSignal): AsyncGenerator<T> {
  for (;;) {
    const next = await orAborted(iterator.next(), signal)
    if (next.done === true) return
    yield next.value
  }
}

export type AnyIterator<T> = AsyncIterator<T> | Iterator<T>

export function iteratorOf<T>(source: AsyncIterable<T> | Iterable<T>): AnyIterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

/** Tells a source that nobody reads on. */
export function leave(iterator: AnyIterator<unknown> | undefined): void {
  // Not waited for: a generator that waits for its next element answers only after it. Nobody is left to be told of a failure.
  Promise.resolve(iterator?.return?.()).catch(() => undefined)
}
