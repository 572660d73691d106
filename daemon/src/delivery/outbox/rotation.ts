import type { Book } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import type { Lane, Moved, Origin } from './lane.ts'
import type { Verdicts } from './reconcile.ts'
import type { Removing } from './removing.ts'

const HOUR_MS = 3_600_000

/** Elapsed time until which a contact rests; 0 where it does not. */
export function restUntil(epochTimesMs: readonly number[], nowMs: number, countMax: number): number {
  const recent = epochTimesMs.filter(timeMs => timeMs > nowMs - HOUR_MS)
  const first = recent[recent.length - countMax - 1]
  return first === undefined ? 0 : first + HOUR_MS
}

/**
 * This store was restored from a backup, or is a copy: a new epoch begins. What waits has new numbers in it and keeps its records; what may
 * have arrived under the old ones is marked. The event comes once that is on disk. There is none in the first session with a contact whose peer knows
 * epochs of before: it was removed and added again.
 */
export function rotate(book: Book, removing: Removing, contact: ContactLanes, verdicts: Verdicts): void {
  const { emit, contactName, health, options } = book.deps
  const now = book.nowMs()
  for (const epoch of verdicts.unknownEpochs) {
    contact.rememberEpoch(epoch)
    book.epochs.set(epoch, contact)
  }
  if (contact.epoch !== undefined) {
    contact.rememberEpoch(contact.epoch)
    const ending = [...contact.byChannel.values()]
    contact.byChannel.clear()
    book.newEpoch(contact)
    for (const lane of ending) endLane(book, removing, contact, lane, verdicts)
  }
  if (verdicts.isMaybeNew) {
    book.writeContact(contact)
    return
  }
  contact.epochTimesMs = [...contact.epochTimesMs, now].slice(-(options.epochCountPerHourMax + 1))
  contact.restUntilMs = restUntil(contact.epochTimesMs, now, options.epochCountPerHourMax)
  book.writeContact(contact)
  const name = contactName(contact.contact)
  const isCloned = contact.restUntilMs > now
  book.commit.afterwards(() => {
    emit({ kind: 'store.rolled-back', contact: contact.contact, name })
    if (!isCloned) return
    emit({ kind: 'identity.cloned', contact: contact.contact, name })
    health.report(`identity-cloned/${contact.contact}`, {
      state: 'degraded',
      code: 'IDENTITY_CLONED',
      detail: `too many new epochs with ${name} in an hour: two daemons seem to share an identity`,
      action: 'Stop the other daemon that runs with a copy of this identity or its store.'
    })
  })
}

function endLane(book: Book, removing: Removing, contact: ContactLanes, lane: Lane, verdicts: Verdicts): void {
  const now = book.nowMs()
  const arrivedMax = Math.max(lane.takenThrough, lane.sentThrough, verdicts.marks.get(lane.number) ?? 0)
  for (const entry of [...contact.expiring]) if (entry.lane === lane) removing.finishExpiring(entry, 'maybe', false)
  contact.attachment?.forget(lane)
  const entries = lane.clear()
  lane.endedAtMs = now
  const { messageCount, costBytes } = lane
  lane.messageCount = 0
  lane.costBytes = 0
  const runs = entries.filter(entry => entry.kind === 'run')
  for (const entry of entries) {
    if (entry.kind === 'run') continue
    book.release(entry)
    book.deleteEntry(entry)
  }
  book.writeLane(lane)
  if (runs.length === 0) return
  const successor = contact.openLane(lane.channel, now)
  successor.messageCount = messageCount
  successor.costBytes = costBytes
  for (const entry of runs) {
    const { first, last } = entry
    const to = successor.next + entry.count - 1
    const maybeDuplicate = entry.maybeDuplicate || last <= arrivedMax || first <= arrivedMax
    const shift = successor.next - first
    for (const named of lane.named(first, last)) {
      successor.origins.push({ ...named, from: named.from + shift, to: named.to + shift })
    }
    lane.moved.push({ from: first, to: last, lane: successor.number, first: successor.next, maybeDuplicate })
    entry.lane = successor
    entry.first = successor.next
    entry.maybeDuplicate = maybeDuplicate
    successor.push(entry)
    successor.next = to + 1
  }
  lane.moved = joined(lane.moved, (a, b) => a.lane === b.lane && a.maybeDuplicate === b.maybeDuplicate)
  successor.origins = joined(successor.origins, (a, b) => a.lane === b.lane && a.epoch === b.epoch)
  book.writeLane(successor)
  book.commit.afterwards(() => {
    successor.takeableThrough = successor.writtenThrough
    contact.attachment?.refresh(successor)
  })
}

/** Joins what follows on each other without a break. */
function joined<T extends Moved | Origin>(ranges: readonly T[], isAlike: (a: T, b: T) => boolean): T[] {
  const result: T[] = []
  for (const next of ranges) {
    const before = result.at(-1)
    const isNext =
      before !== undefined && before.to + 1 === next.from && before.first + (next.from - before.from) === next.first
    if (isNext && isAlike(before, next)) result[result.length - 1] = { ...before, to: next.to }
    else result.push(next)
  }
  return result
}
