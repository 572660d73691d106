import type { Source } from './source.ts'

/** What a kept message costs beside its bytes: the objects that hold it. */
const MESSAGE_COST_BYTES = 128

/** What `messageCount` messages with `bodyBytes` in all count against the inbox's bound. */
export function costBytes(messageCount: number, bodyBytes: number): number {
  return bodyBytes + messageCount * MESSAGE_COST_BYTES
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
  /** Empty once the entry is gone. */
  bodies: readonly Uint8Array[]
  /** A named consumer has acknowledged all of it. */
  isHandled: boolean
  isGone: boolean
}

/**
 * The runs that are kept, in the order of one index that counts messages from 1 without holes. Entries may go in any order; what is
 * left of one that went is dropped when such leavings are half of the log, so that its size follows what is kept.
 */
export class RunLog {
  #entries: Entry[] = []
  #goneCount = 0
  #end = 1
  #costBytes = 0
  #messageCount = 0

  /** The index that the next message gets. */
  get end(): number {
    return this.#end
  }

  get costBytes(): number {
    return this.#costBytes
  }

  get messageCount(): number {
    return this.#messageCount
  }

  append(entry: Entry): void {
    this.#entries.push(entry)
    this.#end = entry.end
    this.#costBytes += entryCostBytes(entry)
    this.#messageCount += entry.end - entry.first
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
    entry.isGone = true
    entry.bodies = []
    this.#costBytes -= entryCostBytes(entry)
    this.#messageCount -= entry.end - entry.first
    this.#goneCount++
    if (this.#goneCount < 64 || this.#goneCount * 2 < this.#entries.length) return
    this.#entries = this.#entries.filter(kept => !kept.isGone)
    this.#goneCount = 0
  }

  /** The kept entries, oldest first, as they are now. */
  kept(): Entry[] {
    return this.#entries.filter(entry => !entry.isGone)
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
