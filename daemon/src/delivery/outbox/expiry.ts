import type { Entry } from './entry.ts'

/** What expires, soonest first: a binary heap that knows where each entry is. */
export class Expiry {
  readonly #heap: Entry[] = []

  get soonest(): Entry | undefined {
    return this.#heap[0]
  }

  get size(): number {
    return this.#heap.length
  }

  add(entry: Entry): void {
    this.#place(entry, this.#heap.length)
    this.#rise(entry.expiryIndex)
  }

  remove(entry: Entry): void {
    const index = entry.expiryIndex
    if (index < 0) return
    entry.expiryIndex = -1
    const last = this.#heap.pop() as Entry
    if (last === entry) return
    this.#place(last, index)
    this.#rise(index)
    this.#sink(last.expiryIndex)
  }

  #place(entry: Entry, index: number): void {
    this.#heap[index] = entry
    entry.expiryIndex = index
  }

  #rise(start: number): void {
    const entry = this.#heap[start] as Entry
    let index = start
    while (index > 0) {
      const above = this.#heap[(index - 1) >>> 1] as Entry
      if (above.expiresMs <= entry.expiresMs) break
      this.#place(above, index)
      index = (index - 1) >>> 1
    }
    this.#place(entry, index)
  }

  #sink(start: number): void {
    const entry = this.#heap[start] as Entry
    let index = start
    for (;;) {
      let below = index * 2 + 1
      const right = this.#heap[below + 1]
      if (right !== undefined && right.expiresMs < (this.#heap[below] as Entry).expiresMs) below++
      const next = this.#heap[below]
      if (next === undefined || next.expiresMs >= entry.expiresMs) break
      this.#place(next, index)
      index = below
    }
    this.#place(entry, index)
  }
}
