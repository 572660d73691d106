/** Numbers the durable sends of one client, from 1, so that the daemon accepts each once whatever connection brings it. */
export class SendNumbers {
  /** Given and not settled, lowest first. */
  readonly #open = new Set<number>()
  #last = 0

  /** Everything up to here needs no answer any more. */
  get answeredThrough(): number {
    for (const lowest of this.#open) return lowest - 1
    return this.#last
  }

  next(): number {
    this.#open.add(++this.#last)
    return this.#last
  }

  /** It will not be sent again. */
  settle(number: number | undefined): void {
    if (number !== undefined) this.#open.delete(number)
  }
}
