import type { LaneMark } from '../port.ts'
import type { ContactLanes } from './contact-lanes.ts'
import type { Lane } from './lane.ts'

/** What a mark says of a lane. */
export type LaneVerdict =
  /** Everything up to `to` has arrived. */
  | { readonly type: 'stored'; readonly to: number }
  /** The receiver has only what is up to `to`, which is less than it had confirmed. */
  | { readonly type: 'behind'; readonly to: number }
  /** The receiver has what this store does not know to have sent: it was restored from a backup. */
  | { readonly type: 'restored' }

export interface Verdicts {
  readonly isRestored: boolean
  /** Restored, or a contact that was removed and is one again: only epochs of before tell of it. */
  readonly isMaybeNew: boolean
  /** Epochs that this store has never heard of. */
  readonly unknownEpochs: readonly string[]
  readonly lanes: ReadonlyMap<Lane, LaneVerdict>
  /** The highest number that the receiver has, for lanes of the epoch. */
  readonly marks: ReadonlyMap<number, number>
  /** Lanes that this side has forgotten and the receiver has not. */
  readonly closed: readonly number[]
}

/** Judges what the peer's `hello` says of the lanes to it. Changes nothing. */
export function judgeMarks(contact: ContactLanes, marks: readonly LaneMark[]): Verdicts {
  const unknownEpochs = new Set<string>()
  const byLane = new Map<number, LaneMark>()
  const closed: number[] = []
  let isRestored = false
  for (const mark of marks) {
    const epoch = Buffer.from(mark.epoch).toString('hex')
    if (epoch !== contact.epoch) {
      if (!contact.former.includes(epoch)) unknownEpochs.add(epoch)
    } else if (contact.lanes.has(mark.lane)) byLane.set(mark.lane, mark)
    else if (mark.lane >= contact.nextLane) isRestored = true
    // Otherwise the peer names its last lane, and knows that it is over.
    else if (mark.stored > 0) closed.push(mark.lane)
  }
  const lanes = new Map<Lane, LaneVerdict>()
  for (const lane of contact.byChannel.values()) {
    const verdict = judgeMark(lane, byLane.get(lane.number))
    lanes.set(lane, verdict)
    if (verdict.type === 'restored') isRestored = true
  }
  return {
    isRestored: isRestored || unknownEpochs.size > 0,
    isMaybeNew: !isRestored && !contact.isMet,
    unknownEpochs: [...unknownEpochs],
    lanes,
    marks: new Map([...byLane].map(([lane, { stored }]) => [lane, stored])),
    closed
  }
}

function judgeMark(lane: Lane, mark: LaneMark | undefined): LaneVerdict {
  const to = mark?.stored ?? 0
  const tag = mark === undefined ? '' : Buffer.from(mark.tag).toString('hex')
  if (to < lane.stored) return { type: 'behind', to }
  if (to > lane.sentThrough) return { type: 'restored' }
  if (to === lane.stored) {
    const isSame = to === 0 || tag === lane.storedTag || (lane.isStoredBySkip && tag === '')
    return isSame ? { type: 'stored', to } : { type: 'restored' }
  }
  const entry = lane.at(to)
  if (entry === undefined) return { type: 'restored' }
  if (entry.kind === 'skip' && entry.last > to) return { type: 'stored', to }
  const isSame = entry.last === to && (tag === entry.tag || (tag === '' && entry.kind !== 'run'))
  return isSame ? { type: 'stored', to } : { type: 'restored' }
}
