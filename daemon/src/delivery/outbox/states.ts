import type { MessageState, MessageStateRange } from '@parley/client-sdk/contract'
import { idRange } from '../message-id.ts'
import { type Range, RangeSet } from '../ranges.ts'
import type { Lane } from './lane.ts'

/** Consecutive numbers of a lane in one state. */
export interface StateRange extends Range {
  readonly state: MessageState
  readonly reached?: 'no' | 'maybe'
  readonly reason?: string
}

type What = Omit<StateRange, 'from' | 'to'>

/**
 * The states of `from` to `to`, ascending. Numbers that have moved to a lane of a later epoch are looked up there.
 *
 * @param laneOf - the lane with that number
 */
export function statesOf(
  lane: Lane,
  from: number,
  to: number,
  laneOf: (number: number) => Lane | undefined
): StateRange[] {
  const known = new RangeSet()
  const found: StateRange[] = []
  const add = (low: number, high: number, what: What) => {
    for (const range of known.add(Math.max(low, from), Math.min(high, to))) found.push({ ...range, ...what })
  }
  const addAll = (ranges: readonly Range[], what: What) => {
    for (const range of ranges) if (range.to >= from && range.from <= to) add(range.from, range.to, what)
  }
  const entries = lane.within(from, to)
  for (const entry of entries) {
    // What has become of it is not on disk yet: it is as it was.
    if (entry.isSynced || entry.kind === 'run') continue
    add(entry.first, entry.last, { state: entry.last <= lane.sentThrough ? 'sent' : 'accepted' })
  }
  for (const { reason, ...range } of lane.rejected) addAll([range], { state: 'rejected', reason })
  addAll(lane.handled.ranges, { state: 'handled' })
  addAll(lane.cancelled.ranges, { state: 'cancelled' })
  addAll(lane.expiredNo.ranges, { state: 'expired', reached: 'no' })
  addAll(lane.expiredMaybe.ranges, { state: 'expired', reached: 'maybe' })
  for (const entry of lane.unsettled) addAll([{ from: entry.first, to: entry.last }], { state: 'expiring' })
  for (const moved of lane.moved) {
    if (moved.to < from || moved.from > to) continue
    const target = laneOf(moved.lane)
    if (target === undefined) continue
    const shift = moved.first - moved.from
    const there = statesOf(target, Math.max(from, moved.from) + shift, Math.min(to, moved.to) + shift, laneOf)
    for (const { from: low, to: high, ...what } of there) add(low - shift, high - shift, what)
  }
  add(from, Math.min(to, lane.stored), { state: 'stored' })
  for (const entry of entries) {
    if (entry.kind !== 'run') add(entry.first, entry.last, { state: 'expiring' })
  }
  add(from, Math.min(to, lane.sentThrough), { state: 'sent' })
  add(from, to, { state: 'accepted' })
  return found.sort((a, b) => a.from - b.from).reduce<StateRange[]>(join, [])
}

export function toStateRange(lane: Lane, { from, to, ...what }: StateRange): MessageStateRange {
  return { ...idRange(lane.epoch, lane.number, from, to), ...what }
}

function join(joined: StateRange[], next: StateRange): StateRange[] {
  const before = joined.at(-1)
  const isSame =
    before !== undefined &&
    before.state === next.state &&
    before.reached === next.reached &&
    before.reason === next.reason &&
    before.to + 1 === next.from
  if (isSame) joined[joined.length - 1] = { ...before, to: next.to }
  else joined.push(next)
  return joined
}
