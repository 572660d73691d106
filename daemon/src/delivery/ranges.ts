/** A range of numbers, both ends included. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** A set of positive integers, as ascending ranges that neither touch nor overlap. */
export class RangeSet {
  #ranges: Range[]

  constructor(ranges: readonly Range[] = []) {
    this.#ranges = []
    for (const { from, to } of ranges) this.add(from, to)
  }

  get ranges(): readonly Range[] {
    return this.#ranges
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  has(number: number): boolean {
    const range = this.#ranges[this.#indexOf(number)]
    return range !== undefined && range.from <= number
  }

  /** Adds `from` to `to`, and returns the parts that were not there. */
  add(from: number, to: number): Range[] {
    const missing = this.missing(from, to)
    if (missing.length === 0) return missing
    const start = this.#indexOf(from - 1)
    let end = start
    let low = from
    let high = to
    for (let range = this.#ranges[end]; range !== undefined && range.from <= to + 1; range = this.#ranges[++end]) {
      low = Math.min(low, range.from)
      high = Math.max(high, range.to)
    }
    this.#ranges.splice(start, end - start, { from: low, to: high })
    return missing
  }

  remove(from: number, to: number): void {
    const start = this.#indexOf(from)
    let end = start
    const kept: Range[] = []
    for (let range = this.#ranges[end]; range !== undefined && range.from <= to; range = this.#ranges[++end]) {
      if (range.from < from) kept.push({ from: range.from, to: from - 1 })
      if (range.to > to) kept.push({ from: to + 1, to: range.to })
    }
    this.#ranges.splice(start, end - start, ...kept)
  }

  /** The parts of `from` to `to` that are not in the set. */
  missing(from: number, to: number): Range[] {
    const missing: Range[] = []
    let next = from
    for (let index = this.#indexOf(from); next <= to; index++) {
      const range = this.#ranges[index]
      if (range === undefined || range.from > to) {
        missing.push({ from: next, to })
        break
      }
      if (range.from > next) missing.push({ from: next, to: range.from - 1 })
      next = range.to + 1
    }
    return missing
  }

  /** The parts of `from` to `to` that are in the set. */
  within(from: number, to: number): Range[] {
    const found: Range[] = []
    for (let index = this.#indexOf(from); ; index++) {
      const range = this.#ranges[index]
      if (range === undefined || range.from > to) return found
      found.push({ from: Math.max(from, range.from), to: Math.min(to, range.to) })
    }
  }

  /** Forgets everything up to and including `number`. */
  dropThrough(number: number): void {
    this.#ranges = this.#ranges
      .filter(({ to }) => to > number)
      .map(({ from, to }) => ({ from: Math.max(from, number + 1), to }))
  }

  /** Index of the first range that ends at or after `number`. */
  #indexOf(number: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle] as Range).to < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
