import type { EventBody } from '@parley/client-sdk/contract'
import type { Clock } from '../../actor/clock.ts'
import type { Log } from '../../observe/log-port.ts'
import type { RandomBytes } from '../../random.ts'
import type { Store } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import { GroupCommit } from '../commit.ts'
import type { AttachmentHost } from './attachment.ts'
import { Bodies } from './bodies.ts'
import { Consumers } from './consumers.ts'
import { Distribution, type DistributionOptions } from './distribution.ts'
import { DurableLanes, type DurableLanesOptions } from './durable-lanes.ts'
import type { Elapsed } from './elapsed.ts'
import { Indexes } from './indexes.ts'
import { Pulls } from './pulls.ts'
import { Readers } from './readers.ts'
import type { InboxRecords } from './records.ts'
import { Retention } from './retention.ts'

export interface InboxOptions extends DistributionOptions, DurableLanesOptions {
  readonly consumerCountMax: number
  readonly inboxRetentionMs: number
  readonly bodyCacheBytesMax: number
}

export interface InboxDeps {
  /** Open. */
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly emit: (body: EventBody) => void
  readonly log: Log
  readonly options: InboxOptions
  /** What the owner calls a contact now; its contact ID where it is none any more. */
  readonly contactName: (contact: string) => string
  /** Whether there is such a contact; lanes of others are forgotten at the start. Without it everybody is one. */
  readonly isContact?: (contact: string) => boolean
  /** A record was set aside. */
  readonly damaged?: (sublevel: string) => void
}

/** What the parts of an inbox need beside what it was given. */
export interface PartsDeps extends InboxDeps {
  readonly id: string
  readonly records: InboxRecords
  readonly elapsed: Elapsed
  /** Runs code as a part of the inbox: what it throws is the inbox's crash. */
  readonly run: (code: () => void) => void
  /** The same, but for what peers and callers did wrong. */
  readonly enter: AttachmentHost['enter']
  /** A batch has failed. */
  readonly lost: () => void
}

/** What an inbox is made of. */
export interface Parts {
  readonly commit: GroupCommit
  readonly elapsed: Elapsed
  readonly bodies: Bodies
  readonly lanes: DurableLanes
  readonly core: Distribution
  readonly indexes: Indexes
  readonly consumers: Consumers
  readonly readers: Readers
  readonly pulls: Pulls
  readonly retention: Retention
}

/** Puts an inbox together. It is empty. */
export function createParts(deps: PartsDeps): Parts {
  const { clock, emit, options, store, sealer, id, records, elapsed, run, enter } = deps
  const commit = new GroupCommit({ store, clock, run, failed: deps.lost })
  const bodies = new Bodies({ store, sealer, bodyCacheBytesMax: options.bodyCacheBytesMax })
  const { contactName } = deps
  const damaged = (sublevel: string) => deps.damaged?.(sublevel)
  const lanes = new DurableLanes({
    ...{ store, sealer, records, commit, bodies, options, emit, contactName, damaged, enter }
  })
  const core: Distribution = new Distribution({
    options,
    durable: lanes,
    stalled: consumer => emit({ kind: 'consumer.stalled', consumer: consumer.name }),
    hasIndexes: count => indexes.hasRoom(count)
  })
  const indexes = new Indexes({
    ...{ id, records, commit, elapsed },
    end: () => core.log.end,
    promisedCount: () => core.credit.promisedCount,
    raised: () => core.credit.retry()
  })
  lanes.connect(core, indexes, elapsed)
  const readers: Readers = new Readers({ core, consumers: () => consumers, emit })
  const consumers = new Consumers({
    ...{ core, commit, records, elapsed },
    consumerCountMax: options.consumerCountMax,
    startOf: (from, filter) => readers.startOf(from, filter)
  })
  const { messageBytesMax, inboxRetentionMs } = options
  const pulls = new Pulls({ core, readers, clock, messageBytesMax, synced: () => commit.synced() })
  const retention = new Retention({
    ...{ core, lanes, elapsed, clock, run, inboxRetentionMs },
    swept: () => {
      indexes.write()
      commit.soon()
    }
  })
  return { commit, elapsed, bodies, lanes, core, indexes, consumers, readers, pulls, retention }
}
