import type { InboxInfo } from '@parley/client-sdk/contract'
import type { Metrics } from '../../observe/metrics.ts'
import type { Parts } from './parts.ts'

export interface InboxStats {
  /** Kept in memory and on disk. */
  readonly messages: number
  /** Of what is in memory alone, with what messages cost beside their bodies. */
  readonly bytes: number
  readonly durableMessages: number
  readonly durableBytes: number
  /** Bodies of durable messages held in memory. */
  readonly cachedBytes: number
  readonly promisedBytes: number
  readonly durablePromisedBytes: number
  readonly consumers: number
  readonly readers: number
  readonly evicted: number
  readonly lanesWaiting: number
}

export function statsOf({ core, bodies, lanes, consumers, readers }: Parts): InboxStats {
  const { log, credit } = core
  return {
    messages: log.messageCount,
    bytes: log.memory.costBytes,
    durableMessages: log.disk.messages,
    durableBytes: log.disk.costBytes,
    cachedBytes: bodies.cachedBytes,
    promisedBytes: credit.promisedCostBytes,
    durablePromisedBytes: lanes.credit.promisedCostBytes,
    consumers: consumers.count,
    readers: readers.live.length,
    evicted: core.evictedCount,
    lanesWaiting: credit.waitingCount + lanes.credit.waitingCount
  }
}

/** For `node.status`. */
export function infoOf({ core, elapsed }: Parts): InboxInfo {
  const { log } = core
  const oldest = log.find(0)
  const oldestAt = oldest?.durable === undefined ? oldest?.sentAt : elapsed.wallOf(oldest.durable.receivedAtMs)
  return {
    messages: log.messageCount,
    bytes: log.memory.costBytes + log.disk.costBytes,
    durableMessages: log.disk.messages,
    durableBytes: log.disk.costBytes,
    ...(oldestAt === undefined ? {} : { oldestAt })
  }
}

/** Shows an inbox in `metrics`. */
export function registerInbox(metrics: Metrics, parts: Parts): void {
  const gauge = (name: string, help: string, key: keyof InboxStats) =>
    metrics.gauge(name, help, () => statsOf(parts)[key])
  gauge('inbox_bytes', 'What is kept in memory for programs, in bytes.', 'bytes')
  gauge('inbox_messages', 'Messages kept for programs.', 'messages')
  gauge('inbox_durable_bytes', 'What is kept on disk for programs, in bytes.', 'durableBytes')
  gauge('inbox_durable_messages', 'Messages kept on disk for programs.', 'durableMessages')
  gauge('inbox_cached_bytes', 'Bodies of messages on disk that are in memory too, in bytes.', 'cachedBytes')
  gauge('inbox_promised_bytes', 'What peers may send before they must wait, in bytes.', 'promisedBytes')
  gauge('inbox_durable_promised_bytes', 'The same of durable messages.', 'durablePromisedBytes')
  gauge('inbox_lanes_waiting', 'Lanes whose sender waits because there is no room.', 'lanesWaiting')
  gauge('consumers', 'Named consumers.', 'consumers')
  metrics.counter(
    'inbox_evicted_messages',
    'Messages that gave way before every consumer had them.',
    () => statsOf(parts).evicted
  )
  metrics.counter('inbox_batches', 'Batches that were written to the store.', () => parts.commit.batchCount)
}
