import type { EventBody, MessageRun } from '@parley/client-sdk/contract'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import type { ContactFilter } from '../../../src/delivery/inbox/filter.ts'
import { Inbox, type SubscribeRequest } from '../../../src/delivery/inbox/inbox.ts'
import type { InboxDeps, InboxOptions } from '../../../src/delivery/inbox/parts.ts'
import type { FetchRequest } from '../../../src/delivery/inbox/pulls.ts'
import type { LaneSink } from '../../../src/delivery/port.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryStore } from '../../../src/store/memory.ts'
import type { Store } from '../../../src/store/port.ts'
import { openSealer } from '../../../src/store/sealed.ts'
import type { Sealer } from '../../../src/store/sealer.ts'
import { createStoreKeys } from '../../../src/store/store-keys.ts'

/** The connection of whoever fetches. */
const CONNECTION = {}

export const KiB = 1024
export const MiB = 1024 * KiB
export const EVERYTHING: ContactFilter = { contacts: null, channels: null }

export const OPTIONS: InboxOptions = {
  inboxBytesMax: 1024 * KiB,
  keptBytesMax: 256 * KiB,
  laneCreditMessages: 100,
  laneCreditBytes: 64 * KiB,
  messageBytesMax: 16 * KiB,
  consumerCountMax: 10,
  consumerUnackedCountMax: 50,
  consumerUnackedBytesMax: 64 * KiB,
  laneCountMax: 1_024,
  epochCountPerHourMax: 3,
  inboxDiskBytesMax: 8 * MiB,
  inboxContactBytesMax: 4 * MiB,
  inboxLaneBytesMax: 2 * MiB,
  inboxRetentionMs: 30 * 24 * 3_600_000,
  bodyCacheBytesMax: 64 * KiB
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

/** A sealer as the daemon has it, of keys that are the same in each test. */
export async function testSealer(store: Store): Promise<Sealer> {
  return openSealer({
    store,
    keys: createStoreKeys(seededRandomBytes('store keys')),
    randomBytes: seededRandomBytes('sealer')
  })
}

/** An inbox on an open store, with everything that a test does not say. */
export async function openInbox(
  deps: Pick<InboxDeps, 'store' | 'clock'> & Partial<InboxDeps>,
  options: Partial<InboxOptions> = {}
): Promise<Inbox> {
  return Inbox.open({
    sealer: deps.sealer ?? (await testSealer(deps.store)),
    randomBytes: seededRandomBytes('inbox'),
    emit: () => undefined,
    log: SILENT,
    contactName: contact => contact,
    ...deps,
    options: { ...OPTIONS, ...options }
  })
}

export interface TestLane extends LaneSink {
  readonly contact: string
  readonly channel: string
  grantedMessages: number
  grantedBytes: number
  sentMessages: number
  sentBytes: number
  /** Sends what fits into the credit, of these sizes; returns how many. */
  send(sizes: readonly number[]): number
}

export interface TestInbox {
  readonly inbox: Inbox
  readonly clock: VirtualClock
  readonly events: EventBody[]
  openLane(contact?: string, channel?: string): TestLane
}

/** An inbox on a virtual clock, and lanes that keep to their credit. */
export async function makeInbox(options: Partial<InboxOptions> = {}): Promise<TestInbox> {
  const clock = new VirtualClock()
  const events: EventBody[] = []
  const store = new MemoryStore()
  await store.open()
  const inbox = await openInbox({ store, clock, emit: body => events.push(body) }, options)
  let laneCount = 0
  const openLane = (contact = 'alice', channel = 'chat'): TestLane => {
    const idPrefix = `e.${++laneCount}.`
    const grant = (messages: number, bytes: number) => {
      if (messages < lane.grantedMessages || bytes < lane.grantedBytes) throw new Error('credit fell')
      lane.grantedMessages = messages
      lane.grantedBytes = bytes
    }
    const lane = { contact, channel, grantedMessages: 0, grantedBytes: 0, sentMessages: 0, sentBytes: 0 } as TestLane
    const sink = inbox.openLane({ contact, from: `${contact}@host`, fromName: () => contact, channel, idPrefix, grant })
    lane.close = sink.close
    lane.deliver = sink.deliver
    lane.send = sizes => {
      const bodies: Uint8Array[] = []
      let bytes = 0
      for (const size of sizes) {
        if (lane.sentMessages + bodies.length + 1 > lane.grantedMessages) break
        if (lane.sentBytes + bytes + size > lane.grantedBytes) break
        bytes += size
        bodies.push(new Uint8Array(size))
      }
      if (bodies.length === 0) return 0
      const firstSeq = lane.sentMessages + 1
      lane.sentMessages += bodies.length
      lane.sentBytes += bytes
      sink.deliver(firstSeq, clock.wallMs(), bodies)
      return bodies.length
    }
    return lane
  }
  return { inbox, clock, events, openLane }
}

export interface Reading {
  readonly runs: MessageRun[]
  readonly indexes: number[]
  readonly endings: string[]
  /** What `take` answers. */
  isWanting: boolean
}

/** What a subscription's taker collects. */
export function collect(): Reading & { take(run: MessageRun): boolean; ended(code: string): void } {
  const reading = {
    runs: [] as MessageRun[],
    indexes: [] as number[],
    endings: [] as string[],
    isWanting: true,
    take(run: MessageRun): boolean {
      reading.runs.push(run)
      run.bodies.forEach((_, n) => {
        reading.indexes.push(run.first + n)
      })
      return reading.isWanting
    },
    ended(code: string): void {
      reading.endings.push(code)
    }
  }
  return reading
}

const NEVER = new AbortController().signal

/** Subscribes with everything that a test does not say. */
export async function subscribe(inbox: Inbox, asked: Partial<SubscribeRequest> = {}) {
  const reading = collect()
  const subscription = await inbox.subscribe({
    ...{ consumer: 'app', filter: EVERYTHING, by: 'tester', owner: 'local', creditMessages: 1e6, creditBytes: 1e9 },
    ...{ take: reading.take, ended: reading.ended, ...asked }
  })
  subscription.resume()
  return { ...subscription, reading }
}

/** Fetches with everything that a test does not say. */
export function fetchRuns(inbox: Inbox, asked: Partial<FetchRequest> = {}, signal: AbortSignal = NEVER) {
  const request = {
    consumer: 'app',
    filter: EVERYTHING,
    by: 'curl',
    owner: 'local',
    countMax: 1000,
    bytesMax: 1e6,
    waitMs: 0,
    connection: CONNECTION
  }
  return inbox.fetch({ ...request, ...asked }, signal)
}

/** The indexes of all messages of some runs. */
export function indexesOf(runs: readonly MessageRun[]): number[] {
  return runs.flatMap(run => run.bodies.map((_, n) => run.first + n))
}
