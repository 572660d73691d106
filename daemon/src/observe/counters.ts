/** How often things happened since the start, by name. Names come from the code, never from a peer, so there are few. */
export class Counters {
  readonly #counts = new Map<string, number>()

  /** Adds to the counter `name`: a code, such as `SESSION_LIMIT`, or lower-case words, such as `glares`. */
  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** All counts, by name in alphabetical order. */
  all(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
