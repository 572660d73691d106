import type { DurableLane } from './durable-lane.ts'
import type { Entry } from './run-log.ts'

/** Durable entries that were handled and are kept for other consumers, in the order in which they were: who needs room finds its own at once. */
export class HandledEntries {
  readonly #all = new Set<Entry>()
  readonly #byLane = new Map<DurableLane, Set<Entry>>()
  readonly #byContact = new Map<string, Set<Entry>>()

  add(entry: Entry): void {
    const lane = entry.durable?.lane
    if (lane === undefined) return
    this.#all.add(entry)
    addTo(this.#byLane, lane, entry)
    addTo(this.#byContact, lane.contact, entry)
  }

  delete(entry: Entry): void {
    const lane = entry.durable?.lane
    if (lane === undefined || !this.#all.delete(entry)) return
    deleteFrom(this.#byLane, lane, entry)
    deleteFrom(this.#byContact, lane.contact, entry)
  }

  clear(): void {
    this.#all.clear()
    this.#byLane.clear()
    this.#byContact.clear()
  }

  all(): Iterable<Entry> {
    return this.#all
  }

  ofLane(lane: DurableLane): Iterable<Entry> {
    return this.#byLane.get(lane) ?? []
  }

  ofContact(contact: string): Iterable<Entry> {
    return this.#byContact.get(contact) ?? []
  }
}

function addTo<K>(sets: Map<K, Set<Entry>>, key: K, entry: Entry): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([entry]))
  else set.add(entry)
}

function deleteFrom<K>(sets: Map<K, Set<Entry>>, key: K, entry: Entry): void {
  const set = sets.get(key)
  if (set?.delete(entry) && set.size === 0) sets.delete(key)
}
