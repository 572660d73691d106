import type { ConsumerInfo, From } from './contract/types.ts'
import type { Link } from './link.ts'
import type { CallOptions } from './peers.ts'

/** Names under which the daemon keeps how far programs have read. Each method but `list` may throw `NO_SUCH_CONSUMER`. */
export class Consumers {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  async list(options: CallOptions = {}): Promise<readonly ConsumerInfo[]> {
    const { consumers } = await this.#link.call('consumers.list', {}, options.signal)
    return consumers
  }

  get(consumer: string, options: CallOptions = {}): Promise<ConsumerInfo> {
    return this.#link.call('consumers.get', { consumer }, options.signal)
  }

  /**
   * Moves the cursor: its reader goes on from there, and gets again what comes after. What is passed over forwards does not count as handled.
   *
   * @throws {ParleyError} `CURSOR_GONE` where what comes after is no longer kept
   */
  seek(consumer: string, to: From, options: CallOptions = {}): Promise<ConsumerInfo> {
    return this.#link.call('consumers.seek', { consumer, to }, options.signal)
  }

  /** Forgets a consumer. @throws {ParleyError} `CONSUMER_BUSY` while something reads as it */
  async remove(consumer: string, options: CallOptions = {}): Promise<void> {
    await this.#link.call('consumers.remove', { consumer }, options.signal)
  }
}
