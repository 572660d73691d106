import type { EventBody } from '@parley/client-sdk/contract'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import { Outbox, type OutboxOptions } from '../../../src/delivery/outbox/outbox.ts'
import type { AcceptRequest } from '../../../src/delivery/outbox-api.ts'
import {
  type AttachStart,
  type DurableRun,
  HANDLED,
  type LaneMark,
  type OutgoingAttachment,
  REJECTED,
  type Receipt,
  STORED,
  type TakenEnvelope
} from '../../../src/delivery/port.ts'
import { DaemonError } from '../../../src/errors.ts'
import type { HealthReport } from '../../../src/observe/health.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../src/store/memory.ts'
import type { Store, StoreRange, StoreWrite, Sublevel } from '../../../src/store/port.ts'
import { openSealer } from '../../../src/store/sealed.ts'
import { createStoreKeys, type StoreKeys } from '../../../src/store/store-keys.ts'

export const KiB = 1_024
const MINUTE = 60_000
export const HOUR: number = 60 * MINUTE
export const DAY: number = 24 * HOUR

export const OPTIONS: OutboxOptions = {
  laneCountMax: 1_024,
  outboxBytesMax: 64 * 1_024 * KiB,
  outboxContactBytesMax: 32 * 1_024 * KiB,
  outboxLaneBytesMax: 16 * 1_024 * KiB,
  outboxMessageCountMax: 100_000,
  outboxLaneMessageCountMax: 50_000,
  maybeAfterMs: 30 * DAY,
  laneIdleMs: 7 * DAY,
  clockStepMs: HOUR,
  clockStepHoldMs: 10 * MINUTE,
  epochCountPerHourMax: 3,
  clientCountMax: 100,
  clientKeptMs: DAY,
  bodyCacheBytesMax: 256 * KiB
}

/** A store whose batches can be held back or made to fail, and whose reads count. */
export class TestStore implements Store {
  readonly #inner: MemoryStore
  batchCount = 0
  getCount = 0
  isFailing = false
  /** What fails is on the disk all the same. */
  isWrittenAllTheSame = false
  #held: (() => void)[] | undefined

  constructor(disk: MemoryDisk) {
    this.#inner = new MemoryStore(disk)
  }

  open(): Promise<void> {
    return this.#inner.open()
  }
  close(): Promise<void> {
    return this.#inner.close()
  }
  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    this.getCount++
    return this.#inner.get(sublevel, key)
  }
  range(sublevel: Sublevel, range?: StoreRange) {
    return this.#inner.range(sublevel, range)
  }

  /** From now on batches wait for `letGo`. */
  hold(): void {
    this.#held ??= []
  }

  letGo(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  async batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    if (this.#held !== undefined) await new Promise<void>(resolve => this.#held?.push(resolve))
    if (this.isFailing && this.isWrittenAllTheSame) await this.#inner.batch(writes, options)
    if (this.isFailing) throw new DaemonError('STORE_UNAVAILABLE', 'no space left in the test')
    this.batchCount++
    await this.#inner.batch(writes, options)
  }
}

export interface TestOutbox {
  readonly outbox: Outbox
  readonly store: TestStore
  readonly disk: MemoryDisk
  readonly clock: VirtualClock
  readonly events: EventBody[]
  readonly health: Map<string, HealthReport>
  readonly keys: StoreKeys
}

export interface World {
  readonly disk?: MemoryDisk
  readonly clock?: VirtualClock
  readonly keys?: StoreKeys
  readonly options?: Partial<OutboxOptions>
  readonly isContact?: (contact: string) => boolean
  readonly seed?: string
}

export const SILENT_LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** An outbox on a disk in memory and a virtual clock; given the world of one before, it is that after a restart. */
export async function openOutbox(world: World = {}): Promise<TestOutbox> {
  const { disk = new MemoryDisk(), clock = new VirtualClock(), seed = 'outbox' } = world
  const randomBytes = seededRandomBytes(`${seed}/${restarts++}`)
  const keys = world.keys ?? createStoreKeys(randomBytes)
  const store = new TestStore(disk)
  await store.open()
  const events: EventBody[] = []
  const health = new Map<string, HealthReport>()
  const sealer = await openSealer({ store, keys, randomBytes })
  const outbox = await Outbox.open({
    ...{ store, sealer, clock, randomBytes, log: SILENT_LOG },
    emit: body => events.push(body),
    health: { report: (name, report) => void health.set(name, report), clear: name => void health.delete(name) },
    options: { ...OPTIONS, ...world.options },
    contactName: contact => contact,
    ...(world.isContact !== undefined && { isContact: world.isContact })
  })
  return { outbox, store, disk, clock, events, health, keys }
}

let restarts = 0

/** Cuts the power, and starts again with what the disk kept. */
export async function crash(
  test: TestOutbox,
  more: World = {},
  randomBytes = seededRandomBytes('crash')
): Promise<TestOutbox> {
  test.disk.crash(randomBytes)
  test.outbox.storeLost()
  return await openOutbox({ disk: test.disk, clock: test.clock, keys: test.keys, ...more })
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export function request(more: Partial<AcceptRequest> = {}): AcceptRequest {
  return {
    contact: 'bob',
    fingerprint: new Uint8Array(32).fill(1),
    channel: 'chat',
    bodies: [text('hello')],
    ttlMs: 7 * DAY,
    key: undefined,
    ...more
  }
}

/** Accepts messages with these bodies and returns their first ID. */
export async function send(
  test: TestOutbox,
  bodies: readonly string[],
  more: Partial<AcceptRequest> = {}
): Promise<string> {
  const accepted = await test.outbox.accept(request({ bodies: bodies.map(text), ...more }))
  return accepted.ids[0]?.first ?? ''
}

/** A session of a peer's daemon: takes all it may, and remembers what a receiver would. */
export class TestSession {
  readonly attachment: OutgoingAttachment
  readonly taken: TakenEnvelope[] = []
  readonly #outbox: Outbox
  readonly #contact: string
  wakeCount = 0

  constructor(outbox: Outbox, start: AttachStart = { marks: [] }, contact = 'bob', messageBytesMax = 1_024 * KiB) {
    this.#outbox = outbox
    this.#contact = contact
    this.attachment = outbox.attach(contact, { start, messageBytesMax, wake: () => this.wakeCount++ })
  }

  /** Takes until there is nothing, or `countMax` envelopes. */
  takeAll(countMax: number = Number.POSITIVE_INFINITY): TakenEnvelope[] {
    const taken: TakenEnvelope[] = []
    while (taken.length < countMax) {
      const next = this.attachment.take(65_536, true)
      if (next === undefined) break
      taken.push(next)
    }
    this.taken.push(...taken)
    return taken
  }

  /** Grants plenty to every lane that was opened here. */
  grantAll(): void {
    for (const { laneOpen } of this.openings())
      this.attachment.credit({ lane: laneOpen.lane, messages: 1e6, bytes: 1e9 })
  }

  /** Takes everything there is, with all the credit that it needs. */
  drain(): void {
    this.takeAll()
    this.grantAll()
    this.takeAll()
  }

  openings() {
    return this.taken.flatMap(({ envelope }) => ('laneOpen' in envelope ? [envelope] : []))
  }

  runs(): DurableRun[] {
    return this.taken.flatMap(({ envelope }) => ('run' in envelope ? [envelope.run] : []))
  }

  skips() {
    return this.taken.flatMap(({ envelope }) => ('skip' in envelope ? [envelope.skip] : []))
  }

  bodies(): string[] {
    return this.runs().flatMap(({ bodies }) => bodies.map(body => new TextDecoder().decode(body)))
  }

  receipt(state: Receipt['state'], from: number, to: number, reason = '', lane = 0): void {
    const opening = this.openings().find(({ laneOpen }) => lane === 0 || laneOpen.lane === lane)
    if (opening === undefined) throw new Error('no lane was opened')
    const { epoch, lane: number } = opening.laneOpen
    this.#outbox.receipt(this.#contact, { epoch, lane: number, state, from, to, reason })
  }

  stored(from: number, to: number, lane = 0): void {
    this.receipt(STORED, from, to, '', lane)
  }

  handled(from: number, to: number, lane = 0): void {
    this.receipt(HANDLED, from, to, '', lane)
  }

  rejected(from: number, to: number, reason: string, lane = 0): void {
    this.receipt(REJECTED, from, to, reason, lane)
  }

  /** What this receiver's `hello` would say next: everything that was taken here is stored. */
  marks(): LaneMark[] {
    return this.openings().map(({ laneOpen: { epoch, lane } }) => {
      let stored = 0
      let tag: Uint8Array = new Uint8Array()
      for (const { envelope } of this.taken) {
        if ('run' in envelope && envelope.run.lane === lane) {
          stored = envelope.run.first + envelope.run.bodies.length - 1
          tag = envelope.run.tag
        } else if ('skip' in envelope && envelope.skip.lane === lane) {
          stored = envelope.skip.to
          tag = new Uint8Array()
        }
      }
      return { epoch, lane, stored, tag }
    })
  }
}

/** States of messages, each as one text: `accepted`, `expired/no`, `rejected/WHY`. */
export function states(test: TestOutbox, id: string, count: number): string[] {
  const { ranges } = test.outbox.get(id, count)
  return ranges.flatMap(({ state, reached, reason, count: length }) =>
    Array.from({ length }, () => [state, reached, reason].filter(part => part !== undefined).join('/'))
  )
}

/** The last state events of messages, as `state first+count`. */
export function told(test: TestOutbox): string[] {
  return test.events.flatMap(event => {
    if (event.kind !== 'message.state') return []
    const { state, first, count, reached, reason } = event
    const what = [state, reached, reason].filter(part => part !== undefined).join('/')
    return [`${what} ${first.split('.').slice(1).join('.')}+${count}`]
  })
}
