import type { Params, Result } from './contract/methods.ts'
import type { Link } from './link.ts'

/**
 * Calls `messages.fetch`. The daemon does not hear when an app gives a fetch up: it takes the answer for received, and the consumer for busy
 * until then. So the next fetch of that consumer waits for that answer, and begins again at the cursor.
 */
export class Fetcher {
  readonly #link: Link
  /** By consumer: resolves with whether the daemon gave an answer that nobody has. */
  readonly #givenUp = new Map<string, Promise<boolean>>()

  constructor(link: Link) {
    this.#link = link
  }

  async fetch(params: Params<'messages.fetch'>, signal: AbortSignal | undefined): Promise<Result<'messages.fetch'>> {
    signal?.throwIfAborted()
    const { consumer } = params
    const before = consumer === null ? undefined : this.#givenUp.get(consumer)
    const isMissed = before !== undefined && (await this.#unlessAborted(before, signal))
    if (consumer !== null && this.#givenUp.get(consumer) === before) this.#givenUp.delete(consumer)
    const answer = this.#link.call('messages.fetch', isMissed ? { ...params, from: 'start' } : params)
    try {
      return await this.#unlessAborted(answer, signal)
    } catch (error) {
      if (signal?.aborted && consumer !== null) {
        const isAnswered = answer.then(
          () => true,
          () => isMissed
        )
        this.#givenUp.set(consumer, isAnswered)
      }
      throw error
    }
  }

  #unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const unwatch = this.#link.aborts.watch(signal, reject)
      promise.finally(unwatch).then(resolve, reject)
    })
  }
}
