import type { DurableLane } from './durable-lane.ts'
import type { Source } from './source.ts'

/** What a kept message costs beside its bytes: the objects that hold it. */
const MESSAGE_COST_BYTES = 128

/** What `messageCount` messages with `bodyBytes` in all count against the inbox's bound. */
export function costBytes(messageCount: number, bodyBytes: number): number {
  return bodyBytes + messageCount * MESSAGE_COST_BYTES
}

/** What an entry has beside the others when it is kept on disk. */
export interface Durable {
  readonly lane: DurableLane
  /** By the inbox's elapsed time. */
  readonly receivedAtMs: number
  readonly maybeDuplicate: boolean
  /** Of the bodies, where there is more than one. */
  readonly sizes: Uint32Array | undefined
}

/** A run as the log keeps it: consecutive indexes `first` to `end - 1`. */
export interface Entry {
  readonly first: number
  readonly end: number
  readonly source: Source
  readonly from: string
  readonly fromName: string
  readonly idPrefix: string
  readonly firstSeq: number
  readonly sentAt: number
  readonly bodyBytes: number
  /** Undefined where it is in memory alone. */
  readonly durable: Durable | undefined
  /** Empty once the entry is gone, and where it lies on disk. */
  bodies: readonly Uint8Array[]
  /** A named consumer has acknowledged, or refused, each message of it. */
  isHandled: boolean
  isGone: boolean
}

/** Messages and their cost. */
export interface Amount {
  readonly messages: number
  readonly costBytes: number
}

/**
 * The runs that are kept, in the order of one index that counts messages from 1. Entries may go in any order; what is
 * left of one that went is dropped when such leavings are half of the log, so that its size follows what is kept.
 *
 * Durable entries wait until they are on disk, and everything behind them waits with them: `readyEnd` is how far the log may be read.
 */
export class RunLog {
  #entries: Entry[] = []
  #goneCount = 0
  #end = 1
  #memory = { messages: 0, costBytes: 0 }
  #disk = { messages: 0, costBytes: 0 }
  #unsynced: Entry[] = []
  /** From here on it is not known what the disk holds. */
  #heldFrom: number | undefined

  /** The index that the next message gets. */
  get end(): number {
    return this.#end
  }

  /** Everything below may be given. */
  get readyEnd(): number {
    return this.#heldFrom ?? this.#unsynced[0]?.first ?? this.#end
  }

  /** Of what is in memory alone. */
  get costBytes(): number {
    return this.#memory.costBytes
  }

  /** Of what is in memory alone, and of what is on disk or on its way there. */
  get memory(): Amount {
    return this.#memory
  }

  get disk(): Amount {
    return this.#disk
  }

  get messageCount(): number {
    return this.#memory.messages + this.#disk.messages
  }

  /** Leaves out the indexes below `end`. */
  skipTo(end: number): void {
    this.#end = Math.max(this.#end, end)
  }

  append(entry: Entry): void {
    this.#entries.push(entry)
    this.#end = entry.end
    this.#count(entry, 1)
    if (entry.durable !== undefined) this.#unsynced.push(entry)
  }

  /** The oldest `count` of the entries that wait for the disk are there. */
  synced(count: number): void {
    this.#unsynced.splice(0, count)
  }

  /** Puts the durable entries of the disk, oldest first, in the place of those that are here. */
  replaceDurable(durable: readonly Entry[]): void {
    for (const entry of this.#entries) if (entry.durable !== undefined) entry.isGone = true
    const inMemory = this.kept()
    this.#disk = { messages: 0, costBytes: 0 }
    for (const entry of durable) this.#count(entry, 1)
    this.#unsynced = []
    this.#heldFrom = undefined
    this.#entries = [...inMemory, ...durable].sort((a, b) => a.first - b.first)
    this.#goneCount = 0
    this.skipTo(this.#entries.at(-1)?.end ?? 0)
  }

  /**
   * Forgets the entries that wait for the disk, and returns them. They may be there all the same, and then come back under their indexes: until
   * `replaceDurable` tells, nothing behind them is ready.
   */
  dropUnsynced(): readonly Entry[] {
    const dropped = this.#unsynced
    this.#heldFrom ??= dropped[0]?.first
    this.#unsynced = []
    for (const entry of dropped) this.remove(entry)
    return dropped
  }

  /** The oldest kept entry that has a message at `index` or after it. */
  find(index: number): Entry | undefined {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle] as Entry).end <= index) low = middle + 1
      else high = middle
    }
    while (this.#entries[low]?.isGone) low++
    return this.#entries[low]
  }

  remove(entry: Entry): void {
    if (entry.isGone) return
    entry.isGone = true
    entry.bodies = []
    this.#count(entry, -1)
    this.#goneCount++
    if (this.#goneCount < 64 || this.#goneCount * 2 < this.#entries.length) return
    this.#entries = this.#entries.filter(kept => !kept.isGone)
    this.#goneCount = 0
  }

  /** The kept entries, oldest first, as they are now. */
  kept(): Entry[] {
    return this.#entries.filter(entry => !entry.isGone)
  }

  #count(entry: Entry, factor: 1 | -1): void {
    const amount = entry.durable === undefined ? this.#memory : this.#disk
    amount.messages += factor * (entry.end - entry.first)
    amount.costBytes += factor * entryCostBytes(entry)
  }
}

/**
 * The bodies in memory that their cost accounts for. They come as views on the frame that brought them, and a view keeps all of a
 * frame: where that is more than twice their cost, they are copied out of it.
 */
export function ownBodies(bodies: readonly Uint8Array[], bodyBytes: number): readonly Uint8Array[] {
  const frameBytes = bodies.reduce((most, { buffer }) => Math.max(most, buffer.byteLength), 0)
  if (frameBytes <= 2 * costBytes(bodies.length, bodyBytes)) return bodies
  return bodies.map(body => new Uint8Array(body))
}

export function entryCostBytes(entry: Entry): number {
  return costBytes(entry.end - entry.first, entry.bodyBytes)
}

/** Bytes of the n-th body. */
export function sizeOf(entry: Entry, n: number): number {
  if (entry.durable === undefined) return entry.bodies[n]?.length ?? 0
  return entry.durable.sizes === undefined ? entry.bodyBytes : (entry.durable.sizes[n] as number)
}
