import { HANDLED, REJECTED, type Receipt, SKIPPED, STORED } from '../delivery/port.ts'
import { RangeSet } from '../delivery/ranges.ts'

/** What waits to be told of one lane: ranges by what is said of them. */
interface LaneReceipts {
  readonly epoch: Uint8Array
  readonly lane: number
  readonly skipped: RangeSet
  readonly stored: RangeSet
  readonly handled: RangeSet
  readonly rejected: Map<string, RangeSet>
}

/**
 * Receipts that wait to be sent on one link: ranges that touch become one, so that a peer that does not read costs what the lanes cost, and no more.
 *
 * Of one lane the confirmed skips go first: a number that is told as skipped must not be taken for a message by a mark that includes it.
 */
export class ReceiptQueue {
  readonly #lanes = new Map<string, LaneReceipts>()

  get isEmpty(): boolean {
    return this.#lanes.size === 0
  }

  add({ epoch, lane, state, from, to, reason }: Receipt): void {
    const waiting = this.#laneOf(epoch, lane)
    if (state === STORED) waiting.stored.add(from, to)
    else if (state === HANDLED) waiting.handled.add(from, to)
    else if (reason === SKIPPED) waiting.skipped.add(from, to)
    else {
      const ranges = waiting.rejected.get(reason) ?? new RangeSet()
      waiting.rejected.set(reason, ranges)
      ranges.add(from, to)
    }
  }

  /** Takes lane after lane, each in the order in which it is to be sent, until there are `countMin` or no more: what is left goes on growing together. */
  take(countMin: number): Receipt[] {
    const receipts: Receipt[] = []
    for (const [key, lane] of this.#lanes) {
      if (receipts.length >= countMin) break
      receipts.push(...receiptsOf(lane))
      this.#lanes.delete(key)
    }
    return receipts
  }

  #laneOf(epoch: Uint8Array, lane: number): LaneReceipts {
    const key = `${Buffer.from(epoch).toString('hex')}.${lane}`
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const [skipped, stored, handled] = [new RangeSet(), new RangeSet(), new RangeSet()]
    const fresh = { epoch, lane, skipped, stored, handled, rejected: new Map<string, RangeSet>() }
    this.#lanes.set(key, fresh)
    return fresh
  }
}

function receiptsOf({ epoch, lane, skipped, stored, handled, rejected }: LaneReceipts): Receipt[] {
  const told = (state: Receipt['state'], reason: string, { ranges }: RangeSet) =>
    ranges.map(({ from, to }) => ({ epoch, lane, state, from, to, reason }))
  return [
    ...told(REJECTED, SKIPPED, skipped),
    ...told(STORED, '', stored),
    ...told(HANDLED, '', handled),
    ...[...rejected].flatMap(([reason, ranges]) => told(REJECTED, reason, ranges))
  ]
}
