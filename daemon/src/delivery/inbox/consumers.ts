import type { ConsumerInfo, From } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import type { GroupCommit } from '../commit.ts'
import { Consumer } from './consumer.ts'
import type { Distribution } from './distribution.ts'
import type { Elapsed } from './elapsed.ts'
import { type ContactFilter, filterKey } from './filter.ts'
import type { ConsumerRecord, InboxRecords } from './records.ts'
import type { Entry } from './run-log.ts'
import type { Source } from './source.ts'

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
      if (isStart && record.isReading) consumer.mayHaveGiven(core.log.end)
    }
    for (const consumer of gone.values()) {
      this.#byName.delete(consumer.name)
      core.removeConsumer(consumer)
    }
  }

  /** What is known of each, by name; of those alone that `isWanted` says. */
  infos(isWanted: (consumer: Consumer) => boolean): ConsumerInfo[] {
    const { core, elapsed } = this.#deps
    const kept = keptBySource(core.log.kept())
    const wanted = [...this.#byName.values()].filter(isWanted)
    return wanted.map(consumer => {
      const { name, owner, filter, cursor, unackedCount, isStalled, reader } = consumer
      const { count, oldest } = lagOf(consumer, kept)
      return {
        consumer: name,
        owner,
        filter: {
          ...(filter.contacts === null ? {} : { peers: [...filter.contacts] }),
          ...(filter.channels === null ? {} : { channels: [...filter.channels] })
        },
        cursor,
        lag: count,
        ...(oldest === undefined ? {} : { oldestAt: timeOf(oldest, elapsed) }),
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

/** The kept entries of a source in order, and for each how many messages there are from it on. */
interface KeptOfSource {
  readonly entries: Entry[]
  readonly countFrom: number[]
}

function keptBySource(entries: readonly Entry[]): Map<Source, KeptOfSource> {
  const bySource = new Map<Source, KeptOfSource>()
  for (const entry of entries) {
    const kept = bySource.get(entry.source)
    if (kept === undefined) bySource.set(entry.source, { entries: [entry], countFrom: [] })
    else kept.entries.push(entry)
  }
  for (const { entries: own, countFrom } of bySource.values()) {
    let count = 0
    for (let n = own.length - 1; n >= 0; n--) {
      const { first, end } = own[n] as Entry
      count += end - first
      countFrom[n] = count
    }
  }
  return bySource
}

/** What waits for a consumer's ack: how much, and the oldest. */
function lagOf(
  consumer: Consumer,
  kept: ReadonlyMap<Source, KeptOfSource>
): { count: number; oldest: Entry | undefined } {
  let count = 0
  let oldest: Entry | undefined
  for (const [source, { entries, countFrom }] of kept) {
    if (!source.consumers.has(consumer)) continue
    const n = firstBehind(entries, consumer.cursor)
    const entry = entries[n]
    if (entry === undefined) continue
    count += (countFrom[n] as number) - Math.max(0, consumer.cursor + 1 - entry.first)
    if (oldest === undefined || entry.first < oldest.first) oldest = entry
  }
  return { count, oldest }
}

/** Index of the first entry with a message behind `cursor`. */
function firstBehind(entries: readonly Entry[], cursor: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle] as Entry).end - 1 <= cursor) low = middle + 1
    else high = middle
  }
  return low
}

function timeOf({ durable, sentAt }: Entry, elapsed: Elapsed): number {
  return durable === undefined ? sentAt : elapsed.wallOf(durable.receivedAtMs)
}
