import type { EventBody, From } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import type { Consumer } from './consumer.ts'
import type { Consumers } from './consumers.ts'
import type { Distribution } from './distribution.ts'
import type { ContactFilter } from './filter.ts'
import type { Reader } from './reader.ts'

/** Who reads what. */
export interface ReadRequest {
  /** Null is a look: no cursor, no ack. */
  readonly consumer: string | null
  /** Fixed when the consumer is made. */
  readonly filter: ContactFilter
  /** Applies when the consumer is made, and to every look. `start` unless said. */
  readonly from?: From | undefined
  /** Who is asking, as another that finds the consumer busy is told. */
  readonly by: string
  /** Whose the consumer is when this makes it. */
  readonly owner: string
}

export interface ReadersDeps {
  readonly core: Distribution
  readonly consumers: () => Consumers
  readonly emit: (body: EventBody) => void
}

/** The live readers: at most one for each consumer, and any number of looks. */
export class Readers {
  readonly #deps: ReadersDeps
  readonly #live = new Set<Reader>()

  constructor(deps: ReadersDeps) {
    this.#deps = deps
  }

  /** Those that read now. */
  get live(): readonly Reader[] {
    return [...this.#live]
  }

  /** The consumer that is asked for, made when it is new; undefined for a look. @throws {DaemonError} as `Consumers.open` */
  consumerOf(request: ReadRequest): Consumer | undefined {
    return request.consumer === null ? undefined : this.#deps.consumers().open(request.consumer, request)
  }

  /** The index after which `from` begins. @throws {DaemonError} `CURSOR_GONE` */
  startOf(from: From, filter: ContactFilter): number {
    const { core } = this.#deps
    if (from === 'start') return 0
    const { readyEnd } = core.log
    if (from === 'now') return readyEnd - 1
    if (from.after >= readyEnd || from.after < core.goneThrough(filter)) {
      throw new DaemonError('CURSOR_GONE', `what comes after ${from.after} is not kept`)
    }
    return from.after
  }

  /**
   * Makes sure that nobody reads as `consumer`. A reader that is not busy, a fetch that was answered, gives way.
   *
   * @throws {DaemonError} `CONSUMER_BUSY` with `by`
   */
  free(consumer: Consumer, isTakeover: boolean): void {
    const { reader } = consumer
    if (reader === undefined) return
    if (reader.isBusy && !isTakeover) {
      throw new DaemonError('CONSUMER_BUSY', `consumer ${consumer.name} is read by ${reader.by}`, {
        data: { by: reader.by }
      })
    }
    this.close(reader)
    reader.ended('TAKEN_OVER')
    if (reader.isBusy) this.#deps.emit({ kind: 'consumer.taken-over', consumer: consumer.name })
  }

  attach(reader: Reader): void {
    if (reader.consumer !== undefined) reader.consumer.reader = reader
    this.#live.add(reader)
    this.#deps.core.attach(reader)
  }

  /**
   * Resolves once the disk says that something reads as the reader's consumer, and that there is such a consumer. When that fails the
   * reader is closed.
   *
   * @throws {DaemonError} `STORE_UNAVAILABLE`
   */
  async announced(reader: Reader, synced: () => Promise<void>): Promise<void> {
    const { consumer } = reader
    if (consumer === undefined || consumer.isReadingOnDisk) return
    this.#deps.consumers().write(consumer)
    try {
      await synced()
    } catch (error) {
      this.close(reader)
      throw error
    }
  }

  /** Ends a reader without a word. What it had not acknowledged is given again to the next. */
  close(reader: Reader): void {
    if (!this.#live.delete(reader)) return
    const { consumer } = reader
    if (consumer !== undefined) {
      consumer.reader = undefined
      if (!reader.isPull) consumer.rewind()
      if (this.#deps.consumers().has(consumer)) this.#deps.consumers().write(consumer)
    }
    this.#deps.core.detach(reader)
    reader.closed?.()
  }
}
