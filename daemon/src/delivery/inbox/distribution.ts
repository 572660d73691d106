import { DaemonError } from '../../errors.ts'
import type { LaneOrigin } from '../port.ts'
import type { Consumer } from './consumer.ts'
import type { DurableSide } from './durable-side.ts'
import { isMatch } from './filter.ts'
import { Lane, LaneCredit, type LaneCreditOptions } from './lane-credit.ts'
import { portionOf, type Reader, runOf, type UnackedLimits } from './reader.ts'
import { type Entry, entryCostBytes, ownBodies, RunLog } from './run-log.ts'
import { Source } from './source.ts'

export interface DistributionOptions extends LaneCreditOptions, UnackedLimits {
  /** What is kept of messages that were handled, or that no consumer has named, in bytes. */
  readonly keptBytesMax: number
}

/** Sources that are remembered when nothing of them is kept, so that it is known how far they are gone. */
const SOURCE_COUNT_MAX = 4096

export interface DistributionDeps {
  readonly options: DistributionOptions
  readonly stalled: (consumer: Consumer) => void
  readonly durable: DurableSide
  /** Whether so many more messages may be promised without one ever getting the index of another. */
  readonly hasIndexes: (count: number) => boolean
}

/**
 * The log, who reads it, and what senders of what is not durable may send: the inbox without names, requests and the disk.
 *
 * A durable message stays until a consumer has handled it and all that match have acknowledged it, or it is let go by `letGo`. One that is not
 * stays as long as a live reader that matches has not read it, or a consumer that matches has not acknowledged it. When all
 * of at least one consumer have, it goes at once. What no consumer has named, and what one has handled while another, that nobody
 * reads as now, has not, stays within `keptBytesMax`: first what was handled goes, then what nobody has named, oldest first. So does what only a look by
 * fetch that lingers has not read.
 */
export class Distribution {
  readonly log = new RunLog()
  readonly credit: LaneCredit
  readonly #options: DistributionOptions
  readonly #stalled: (consumer: Consumer) => void
  readonly #durable: DurableSide
  readonly #sources = new Map<string, Source>()
  readonly #readers = new Set<Reader>()
  readonly #consumers = new Set<Consumer>()
  /** Highest index that is gone of a source that is forgotten. */
  #forgottenThrough = 0
  #trimAtBytes: number
  #evictedCount = 0

  constructor(deps: DistributionDeps) {
    const { options, stalled, durable, hasIndexes } = deps
    this.#options = options
    this.#stalled = stalled
    this.#durable = durable
    this.#trimAtBytes = options.keptBytesMax
    this.credit = new LaneCredit(options, () => this.log.costBytes, hasIndexes)
  }

  get readerCount(): number {
    return this.#readers.size
  }

  /** Messages that went without having been handled by every consumer that matched. */
  get evictedCount(): number {
    return this.#evictedCount
  }

  openLane(origin: LaneOrigin): Lane {
    const source = this.source(origin.contact, origin.channel)
    const lane = new Lane(origin, source)
    source.lanes.add(lane)
    this.credit.update(lane)
    return lane
  }

  closeLane(lane: Lane): void {
    if (!lane.source.lanes.delete(lane)) return
    this.credit.close(lane)
    this.#retryCredit()
  }

  /**
   * Appends a run that came by `lane` and gives it to every reader that waits for it.
   *
   * @throws {RangeError} for more than was granted, or a time that no message carries
   */
  append(lane: Lane, firstSeq: number, sentAt: number, bodies: readonly Uint8Array[]): void {
    if (!Number.isSafeInteger(sentAt)) throw new RangeError('sentAt is no safe integer')
    let bodyBytes = 0
    for (const body of bodies) bodyBytes += body.length
    const first = this.log.end
    const { source, origin } = lane
    const { from, idPrefix } = origin
    const fromName = origin.fromName()
    const end = first + bodies.length
    const entry: Entry = {
      ...{ first, end, source, from, fromName, idPrefix, firstSeq, sentAt, bodyBytes },
      ...{ bodies: ownBodies(bodies, bodyBytes), durable: undefined, isHandled: false, isGone: false }
    }
    this.credit.received(lane, entry)
    this.log.append(entry)
    source.entryCount++
    // Behind what is on its way to the disk it waits with it.
    if (this.log.readyEnd < end) return
    for (const reader of this.#readers) {
      if (reader.next !== first) continue
      if (source.readers.has(reader)) this.pump(reader)
      else reader.passTo(end)
    }
    if (this.log.costBytes > this.#trimAtBytes) this.#trim()
    if (this.log.costBytes >= this.#options.inboxBytesMax) this.#nameWhoIsOwed()
  }

  /** Appends an entry that is on its way to the disk; nobody is given it before `synced`. */
  appendDurable(entry: Entry): void {
    this.log.append(entry)
    entry.source.entryCount++
  }

  /** The oldest `count` of the entries on their way to the disk are there: gives them, and what waited behind them. */
  synced(count: number): void {
    const start = this.log.readyEnd
    this.log.synced(count)
    if (this.log.readyEnd === start) return
    for (const reader of [...this.#readers]) if (reader.next >= start) this.pump(reader)
  }

  /** Takes what the disk holds, oldest first, for the durable part of the log, and begins again with every reader at its place. */
  reload(entries: readonly Entry[]): void {
    this.log.replaceDurable(entries)
    for (const source of this.#sources.values()) source.entryCount = 0
    for (const entry of this.log.kept()) entry.source.entryCount++
    for (const entry of entries) this.#removeIfDone(entry)
    for (const reader of this.#readers) reader.consumer?.rewind()
  }

  /** Forgets what is on its way to the disk: the store is lost. What waits behind it waits for `reload`. */
  dropUnsynced(): void {
    for (const entry of this.log.dropUnsynced()) entry.source.entryCount--
  }

  /** Gives every reader what it may be given now. */
  pumpAll(): void {
    for (const reader of [...this.#readers]) this.pump(reader)
  }

  /** Takes an entry out of the log, whoever has not read it. */
  letGo(entry: Entry): void {
    if (entry.isGone) return
    this.#evictedCount += entry.end - entry.first
    this.#remove(entry)
  }

  removeConsumer(consumer: Consumer): void {
    this.#consumers.delete(consumer)
    for (const source of this.#sources.values()) source.consumers.delete(consumer)
    for (const entry of this.log.kept()) this.#removeIfDone(entry)
    this.#retryCredit()
  }

  /** Looks again whether somebody still waits for what is below `end`. */
  release(end: number): void {
    for (let entry = this.log.find(0); entry !== undefined && entry.first < end; entry = this.log.find(entry.end)) {
      this.#removeIfDone(entry)
    }
    this.#retryCredit()
  }

  addConsumer(consumer: Consumer): void {
    this.#consumers.add(consumer)
    for (const source of this.#sources.values()) {
      if (isMatch(consumer.filter, source.contact, source.channel)) source.consumers.add(consumer)
    }
  }

  /** Makes `reader` live: from now on its lanes get credit. It is given nothing before it is pumped. */
  attach(reader: Reader): void {
    this.#readers.add(reader)
    for (const source of this.#sources.values()) {
      if (!isMatch(reader.filter, source.contact, source.channel)) continue
      source.readers.add(reader)
      for (const lane of source.lanes) this.credit.update(lane)
    }
  }

  detach(reader: Reader): void {
    if (!reader.isOpen) return
    reader.isOpen = false
    this.#readers.delete(reader)
    const sources = [...this.#sources.values()].filter(source => source.readers.delete(reader))
    for (let entry = this.log.find(reader.next); entry !== undefined; entry = this.log.find(entry.end)) {
      this.#removeIfDone(entry)
    }
    for (const source of sources) for (const lane of source.lanes) this.credit.update(lane)
    this.#retryCredit()
  }

  /** Gives `reader` what it may be given now. Safe to call at any time, also from within its `take`. */
  pump(reader: Reader): void {
    if (reader.isPumping) return
    reader.isPumping = true
    try {
      while (reader.isOpen && !reader.isPaused && this.#giveNext(reader)) {
        // `#giveNext` does it all, and says whether there may be more.
      }
    } finally {
      reader.isPumping = false
    }
    this.#retryCredit()
  }

  /**
   * Moves the consumer's cursor to `index`, lets go what that frees, and gives its reader more. With a refusal the message at `index` is
   * refused, those before are acknowledged. Says whether something durable was among them.
   */
  ack(consumer: Consumer, index: number, refusal?: string): boolean {
    const start = consumer.cursor + 1
    let isDurable = false
    consumer.ack(index)
    for (let entry = this.log.find(start); entry !== undefined && entry.first <= index; ) {
      const { source, first, end } = entry
      if (source.consumers.has(consumer)) {
        if (entry.durable !== undefined) {
          isDurable = true
          this.#ackDurable(entry, Math.max(first, start), Math.min(end - 1, index), index, refusal)
        } else if (end - 1 <= index) entry.isHandled = true
        if (end - 1 <= index) this.#passed(entry)
      }
      entry = this.log.find(end)
    }
    this.#retryCredit()
    if (consumer.reader !== undefined) this.pump(consumer.reader)
    return isDurable
  }

  /** Whether an ack up to `index` would be one of something durable. */
  hasDurable(consumer: Consumer, index: number): boolean {
    let entry = this.log.find(consumer.cursor + 1)
    for (; entry !== undefined && entry.first <= index; entry = this.log.find(entry.end)) {
      if (entry.durable !== undefined && entry.source.consumers.has(consumer)) return true
    }
    return false
  }

  /** The highest index, of all sources that match `reader`'s filter, that is no longer kept. */
  goneThrough(filter: Reader['filter']): number {
    let gone = this.#forgottenThrough
    for (const source of this.#sources.values()) {
      if (isMatch(filter, source.contact, source.channel)) gone = Math.max(gone, source.goneThrough)
    }
    return gone
  }

  #giveNext(reader: Reader): boolean {
    const entry = this.log.find(reader.next)
    const { readyEnd } = this.log
    if (entry === undefined || entry.first >= readyEnd) {
      if (reader.next < readyEnd) reader.passTo(readyEnd)
      return false
    }
    if (!entry.source.readers.has(reader)) {
      reader.passTo(entry.end)
      return true
    }
    const portion = portionOf(reader, entry, this.#options)
    if (portion.isUnackedFull) this.#stall(reader)
    if (portion.end === portion.first) return false
    const bodies = this.#bodiesOf(entry)
    if (bodies === undefined) return entry.isGone
    const consumer = reader.consumer
    const isRedelivered = consumer !== undefined && portion.first < consumer.givenEnd
    reader.creditMessages -= portion.end - portion.first
    reader.creditBytes -= portion.bodyBytes
    if (consumer === undefined) reader.passTo(portion.end)
    else consumer.give(entry, portion.first, portion.end, portion.bodyBytes)
    const run = runOf(entry, bodies, portion, isRedelivered)
    if (portion.end === entry.end) this.#passed(entry)
    if (!reader.take(run)) reader.isPaused = true
    return true
  }

  #ackDurable(entry: Entry, from: number, to: number, index: number, refusal: string | undefined): void {
    if (refusal === undefined || to < index) {
      this.#durable.acked(entry, from, to, undefined)
      return
    }
    if (from < index) this.#durable.acked(entry, from, index - 1, undefined)
    this.#durable.acked(entry, index, index, refusal)
  }

  /** The bodies of an entry. Undefined where it cannot be read now, or not at all: then it is gone. */
  #bodiesOf(entry: Entry): readonly Uint8Array[] | undefined {
    if (entry.durable === undefined) return entry.bodies
    try {
      return this.#durable.bodies(entry)
    } catch (error) {
      if (!(error instanceof DaemonError) || error.code !== 'RECORD_DAMAGED') throw error
      this.#remove(entry)
      this.#durable.setAside(entry)
      return undefined
    }
  }

  #stall(reader: Reader): void {
    const consumer = reader.consumer
    if (consumer === undefined || consumer.isStalled) return
    consumer.isStalled = true
    this.#stalled(consumer)
  }

  /** The inbox is full and no lane gets credit: says for whose ack the oldest message waits. */
  #nameWhoIsOwed(): void {
    const oldest = this.log.kept().find(entry => entry.durable === undefined)
    if (oldest === undefined) return
    for (const consumer of oldest.source.consumers) {
      if (!consumer.isOwed(oldest) || consumer.isStalled) continue
      consumer.isStalled = true
      this.#stalled(consumer)
    }
  }

  /** A reader has gone past `entry`: its lane may have more room, and it may have been the last. */
  #passed(entry: Entry): void {
    this.#removeIfDone(entry)
    for (const lane of entry.source.lanes) this.credit.update(lane)
  }

  #removeIfDone(entry: Entry): void {
    if (entry.isGone || !entry.isHandled) return
    const { consumers, readers } = entry.source
    for (const consumer of consumers) if (consumer.isOwed(entry)) return
    for (const reader of readers) if (reader.next < entry.end) return
    this.#remove(entry)
  }

  #remove(entry: Entry): void {
    this.log.remove(entry)
    entry.source.entryCount--
    entry.source.goneThrough = Math.max(entry.source.goneThrough, entry.end - 1)
    if (entry.durable !== undefined) this.#durable.removed(entry)
  }

  #trim(): void {
    const { keptBytesMax } = this.#options
    const handled: Entry[] = []
    const unnamed: Entry[] = []
    let spareBytes = 0
    for (const entry of this.log.kept()) {
      if (entry.durable !== undefined || this.#isNeeded(entry)) continue
      spareBytes += entryCostBytes(entry)
      if (entry.isHandled) handled.push(entry)
      else unnamed.push(entry)
    }
    if (spareBytes > keptBytesMax) {
      for (const entry of [...handled, ...unnamed]) {
        if (spareBytes <= (keptBytesMax * 7) / 8) break
        spareBytes -= entryCostBytes(entry)
        this.#evictedCount += entry.end - entry.first
        this.#remove(entry)
      }
      this.#retryCredit()
    }
    // Not again before an eighth more has come, so that the cost of looking at every entry is shared by many.
    this.#trimAtBytes = this.log.costBytes + Math.max(keptBytesMax, this.log.costBytes) / 8
  }

  #isNeeded(entry: Entry): boolean {
    let isOwed = false
    for (const consumer of entry.source.consumers) {
      if (!consumer.isOwed(entry)) continue
      if (consumer.reader !== undefined) return true
      isOwed = true
    }
    for (const reader of entry.source.readers) if (reader.next < entry.end && !reader.isLingeringLook) return true
    return isOwed && !entry.isHandled
  }

  /** The source of a channel of a contact, made when it is new. */
  source(contact: string, channel: string): Source {
    const key = `${contact}\0${channel}`
    const known = this.#sources.get(key)
    if (known !== undefined) return known
    if (this.#sources.size >= SOURCE_COUNT_MAX) this.#forgetIdleSources()
    const source = new Source(contact, channel)
    for (const reader of this.#readers) if (isMatch(reader.filter, contact, channel)) source.readers.add(reader)
    for (const consumer of this.#consumers)
      if (isMatch(consumer.filter, contact, channel)) source.consumers.add(consumer)
    this.#sources.set(key, source)
    return source
  }

  #forgetIdleSources(): void {
    for (const [key, source] of this.#sources) {
      if (!source.isIdle) continue
      this.#sources.delete(key)
      this.#forgottenThrough = Math.max(this.#forgottenThrough, source.goneThrough)
    }
  }

  #retryCredit(): void {
    if (this.credit.waitingCount > 0) this.credit.retry()
  }
}
