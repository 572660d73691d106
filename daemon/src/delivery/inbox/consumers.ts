import type { ConsumerInfo, From } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import type { GroupCommit } from '../commit.ts'
import { Consumer } from './consumer.ts'
import type { Distribution } from './distribution.ts'
import type { Elapsed } from './elapsed.ts'
import { type ContactFilter, filterKey } from './filter.ts'
import type { ConsumerRecord, InboxRecords } from './records.ts'

export interface ConsumersDeps {
  readonly core: Distribution
  readonly commit: GroupCommit
  readonly records: InboxRecords
  readonly elapsed: Elapsed
  readonly consumerCountMax: number
  /** The index after which `from` begins. @throws {DaemonError} `CURSOR_GONE` */
  readonly startOf: (from: From, filter: ContactFilter) => number
}

/** Who a consumer is asked for by. */
export interface ConsumerRequest {
  readonly filter: ContactFilter
  readonly from?: From | undefined
  readonly owner: string
}

/** The named consumers, in memory and on disk. */
export class Consumers {
  readonly #deps: ConsumersDeps
  readonly #byName = new Map<string, Consumer>()

  constructor(deps: ConsumersDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#byName.size
  }

  /** @throws {DaemonError} `NO_SUCH_CONSUMER` */
  get(name: string): Consumer {
    const consumer = this.#byName.get(name)
    if (consumer === undefined) throw new DaemonError('NO_SUCH_CONSUMER', `no consumer is called ${name}`)
    return consumer
  }

  has(consumer: Consumer): boolean {
    return this.#byName.get(consumer.name) === consumer
  }

  /**
   * The consumer of this name, made when it is new.
   *
   * @throws {DaemonError} `CONSUMER_MISMATCH`; `QUEUE_FULL` where there are too many; `CURSOR_GONE`
   */
  open(name: string, request: ConsumerRequest): Consumer {
    const known = this.#byName.get(name)
    if (known !== undefined) {
      if (filterKey(known.filter) === filterKey(request.filter)) return known
      throw new DaemonError('CONSUMER_MISMATCH', `consumer ${name} has another filter`)
    }
    const { consumerCountMax, startOf } = this.#deps
    if (this.#byName.size >= consumerCountMax) {
      const data = { scope: 'consumers', countMax: consumerCountMax }
      throw new DaemonError('QUEUE_FULL', 'there are too many consumers', { data })
    }
    const { owner, filter } = request
    const consumer = new Consumer({ name, owner, filter, after: startOf(request.from ?? 'start', filter) })
    this.#add(consumer)
    return consumer
  }

  /** Puts the consumer's record into the next batch. */
  write(consumer: Consumer): void {
    const { commit, records } = this.#deps
    commit.write(consumer, () => {
      if (!this.has(consumer)) return records.deleteConsumer(consumer.name)
      const record = consumer.toRecord()
      if (!record.isReading) consumer.isReadingOnDisk = false
      else
        commit.afterwards(() => {
          consumer.isReadingOnDisk = true
        })
      return records.putConsumer(record)
    })
  }

  /** Forgets a consumer that nothing reads as. */
  remove(consumer: Consumer): void {
    this.#byName.delete(consumer.name)
    this.#deps.core.removeConsumer(consumer)
    this.write(consumer)
  }

  /**
   * Takes what the disk holds. Consumers that are read stay the same objects; those that are not on disk are no more, and whoever made them is
   * told so by the batch that failed.
   */
  load(kept: readonly ConsumerRecord[], isStart: boolean): void {
    const { core } = this.#deps
    const gone = new Map(this.#byName)
    for (const record of kept) {
      let consumer = gone.get(record.name)
      gone.delete(record.name)
      if (consumer === undefined) {
        consumer = Consumer.of(record)
        this.#add(consumer)
      } else consumer.restore(record)
      // What reads goes on reading, and the disk is to know.
      if (consumer.reader !== undefined) this.write(consumer)
      // A daemon that ended while something read as it cannot know what that was given.
      if (isStart && record.isReading) consumer.givenEnd = Math.max(consumer.givenEnd, core.log.end)
    }
    for (const consumer of gone.values()) {
      this.#byName.delete(consumer.name)
      core.removeConsumer(consumer)
    }
  }

  /** What is known of each, by name; of those alone that `isWanted` says. */
  infos(isWanted: (consumer: Consumer) => boolean): ConsumerInfo[] {
    const { core, elapsed } = this.#deps
    const wanted = [...this.#byName.values()].filter(isWanted)
    const lags = new Map(wanted.map(consumer => [consumer, { count: 0, oldestAt: undefined as number | undefined }]))
    for (const entry of core.log.kept()) {
      for (const consumer of entry.source.consumers) {
        const lag = lags.get(consumer)
        if (lag === undefined || !consumer.isOwed(entry)) continue
        lag.count += entry.end - Math.max(entry.first, consumer.cursor + 1)
        lag.oldestAt ??= entry.durable === undefined ? entry.sentAt : elapsed.wallOf(entry.durable.receivedAtMs)
      }
    }
    return wanted.map(consumer => {
      const { name, owner, filter, cursor, unackedCount, isStalled, reader } = consumer
      const lag = lags.get(consumer)
      return {
        consumer: name,
        owner,
        filter: {
          ...(filter.contacts === null ? {} : { peers: [...filter.contacts] }),
          ...(filter.channels === null ? {} : { channels: [...filter.channels] })
        },
        cursor,
        lag: lag?.count ?? 0,
        ...(lag?.oldestAt === undefined ? {} : { oldestAt: lag.oldestAt }),
        unacknowledged: unackedCount,
        stalled: isStalled,
        ...(reader === undefined ? {} : { by: reader.by })
      }
    })
  }

  #add(consumer: Consumer): void {
    this.#byName.set(consumer.name, consumer)
    this.#deps.core.addConsumer(consumer)
  }
}
