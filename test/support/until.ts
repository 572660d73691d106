import { setTimeout as pause } from 'node:timers/promises'

export interface UntilOptions {
  /** Gives up after this time; 10,000 unless said. */
  readonly timeoutMs?: number
  /** Between two looks at the most; 25 unless said. The first looks follow each other faster. */
  readonly pauseMs?: number
}

/**
 * Waits for a condition that nothing announces: calls `probe` until it returns something truthy, and returns that.
 *
 * The one place in the tests that lets real time pass; what announces itself (an event, a promise, a line of output) is awaited
 * instead. What `probe` throws ends the wait at once.
 *
 * @param what - the condition in words, for the error
 * @throws {Error} when the time is over, saying what was awaited and what was seen last
 */
export async function until<T>(
  what: string,
  probe: (signal: AbortSignal) => T | Promise<T>,
  options: UntilOptions = {}
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const { timeoutMs = 10_000, pauseMs = 25 } = options
  const deadline = new AbortController()
  const over = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => {
    over.resolve(undefined)
    deadline.abort()
  }, timeoutMs)
  let seen: T | undefined
  try {
    for (let lookMs = 1; !deadline.signal.aborted; lookMs = Math.min(lookMs * 2, pauseMs)) {
      const found = await Promise.race([probe(deadline.signal), over.promise])
      if (found) return found as Exclude<T, undefined | null | false | 0 | ''>
      if (!deadline.signal.aborted) seen = found
      await pause(lookMs)
    }
  } finally {
    clearTimeout(timer)
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}; last seen: ${inWords(seen)}`)
}

/** Waits for a promise at most `timeoutMs`, so that a test that hangs says at what. */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`waited ${timeoutMs} ms in vain for ${what}`)), timeoutMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function inWords(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 1_000)
}
