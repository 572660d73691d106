import type { GroupCommit } from '../commit.ts'
import type { Receipt } from '../port.ts'
import type { Bodies } from './bodies.ts'
import type { Distribution } from './distribution.ts'
import type { DurableCredit, IncomingLane } from './durable-credit.ts'
import type { DurableLane } from './durable-lane.ts'
import type { Entry } from './run-log.ts'
import type { Sender } from './sender.ts'

const NO_TAG = new Uint8Array(0)

/** What one batch brings to a lane. */
interface LaneBatch {
  readonly sender: Sender
  readonly from: number
  to: number
  tag: Uint8Array
  readonly settled: Map<IncomingLane, { messages: number; bytes: number }>
}

/** What is done once a batch is on disk. */
interface Batch {
  readonly lanes: Map<DurableLane, LaneBatch>
  readonly entries: Entry[]
  readonly receipts: Map<Sender, Receipt[]>
}

export interface ArrivalsDeps {
  readonly commit: GroupCommit
  readonly bodies: Bodies
  readonly credit: DurableCredit
  readonly core: () => Distribution
}

/** What came and is on its way to the disk. Once it is there it is given, receipted, and followed by credit, in this order. */
export class Arrivals {
  readonly #deps: ArrivalsDeps
  #batch: Batch | undefined
  #batchNumber = -1

  constructor(deps: ArrivalsDeps) {
    this.#deps = deps
  }

  /** A run of the lane, as an entry. */
  run(incoming: IncomingLane, entry: Entry, to: number, tag: Uint8Array): void {
    const { settled } = this.#part(incoming, to, tag)
    const { messages, bytes } = settled.get(incoming) ?? { messages: 0, bytes: 0 }
    settled.set(incoming, { messages: messages + entry.end - entry.first, bytes: bytes + entry.bodyBytes })
    this.#gather().entries.push(entry)
  }

  /** Numbers up to `to` that have no message. */
  skip(incoming: IncomingLane, to: number): void {
    this.#part(incoming, to, NO_TAG)
  }

  /** What is to be told once the disk knows it. */
  receipts(sender: Sender, receipts: readonly Receipt[]): void {
    const told = this.#gather().receipts
    const list = told.get(sender)
    if (list === undefined) told.set(sender, [...receipts])
    else list.push(...receipts)
  }

  /** Forgets what was on its way. */
  lose(): void {
    this.#batch = undefined
  }

  /** What the batch that is gathered brings to a lane, up to `to`. */
  #part(incoming: IncomingLane, to: number, tag: Uint8Array): LaneBatch {
    const { lane, sender } = incoming
    const { lanes } = this.#gather()
    let part = lanes.get(lane)
    if (part === undefined) {
      part = { sender, from: lane.received + 1, to, tag, settled: new Map() }
      lanes.set(lane, part)
    }
    // A tag is a view on its frame.
    part.tag = tag.slice()
    part.to = to
    lane.received = to
    lane.receivedTag = part.tag
    return part
  }

  #gather(): Batch {
    const { commit } = this.#deps
    if (this.#batch === undefined || this.#batchNumber !== commit.batchCount) {
      const batch: Batch = { lanes: new Map(), entries: [], receipts: new Map() }
      this.#batch = batch
      this.#batchNumber = commit.batchCount
      commit.afterwards(() => this.#settle(batch))
    }
    return this.#batch
  }

  #settle({ lanes, entries, receipts }: Batch): void {
    for (const [lane, { to, tag }] of lanes) {
      lane.stored = to
      lane.tag = tag
    }
    if (entries.length > 0) this.#deps.core().synced(entries.length)
    for (const entry of entries) {
      if (!entry.isGone) this.#deps.bodies.put(entry, entry.bodies)
      entry.bodies = []
    }
    for (const [lane, { sender, from, to }] of lanes) sender.tell(lane.confirm(from, to))
    for (const [sender, told] of receipts) sender.tell(told)
    for (const { settled } of lanes.values()) {
      for (const [incoming, { messages, bytes }] of settled) {
        incoming.settledMessages += messages
        incoming.settledBytes += bytes
        this.#deps.credit.update(incoming)
      }
    }
    if (this.#deps.credit.waitingCount > 0) this.#deps.credit.retry()
  }
}
