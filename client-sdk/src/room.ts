/** What may wait to be written before `send` itself waits. */
const HELD_COUNT_MAX = 10_000
const HELD_BYTES_MAX = 8 * 1024 * 1024

/** Who waits to be let in. */
export interface RoomEntry {
  admit(): void
  failed(error: unknown): void
}

/** Bounds what is held, in messages and bytes of bodies; who comes when it is full waits outside: first come, first served. */
export class Room {
  readonly #waiting = new Set<RoomEntry>()
  #heldCount = 0
  #heldBytes = 0

  get isEmpty(): boolean {
    return this.#heldCount === 0 && this.#waiting.size === 0
  }

  /** Admits the entry, and returns true; or keeps it for later, until `leave`. */
  enter(entry: RoomEntry): boolean {
    if (this.#waiting.size === 0 && this.#hasSpace()) {
      entry.admit()
      return true
    }
    this.#waiting.add(entry)
    return false
  }

  leave(entry: RoomEntry): void {
    this.#waiting.delete(entry)
  }

  hold(count: number, bytes: number): void {
    this.#heldCount += count
    this.#heldBytes += bytes
  }

  release(count: number, bytes: number): void {
    this.#heldCount -= count
    this.#heldBytes -= bytes
  }

  /** Admits those for whom there is space now. */
  admitWaiting(): void {
    for (const entry of this.#waiting) {
      if (!this.#hasSpace()) return
      this.#waiting.delete(entry)
      entry.admit()
    }
  }

  /** Nobody is admitted any more. */
  failWaiting(error: unknown): void {
    for (const entry of this.#waiting) {
      this.#waiting.delete(entry)
      entry.failed(error)
    }
  }

  #hasSpace(): boolean {
    return this.#heldCount < HELD_COUNT_MAX && this.#heldBytes < HELD_BYTES_MAX
  }
}
