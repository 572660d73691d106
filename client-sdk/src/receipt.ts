import type { IdRange } from './contract/types.ts'

/** What a send resolves with. */
export class Receipt {
  readonly #ids: readonly IdRange[]
  readonly #offset: number

  constructor(ids: readonly IdRange[], offset: number) {
    this.#ids = ids
    this.#offset = offset
  }

  /** The message's ID, `<epoch>.<lane>.<seq>`: the same at the receiver. */
  get id(): string {
    return idAt(this.#ids, this.#offset)
  }

  toJSON(): { readonly id: string } {
    return { id: this.id }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Receipt { id: '${this.id}' }`
  }
}

/** What a run resolves with. */
export class RunReceipt {
  /** The IDs given, in the order of the bodies. */
  readonly ids: readonly IdRange[]
  readonly count: number

  constructor(ids: readonly IdRange[]) {
    this.ids = ids
    this.count = countOf(ids)
  }

  /** @throws {RangeError} when there is no such message in the run */
  idAt(offset: number): string {
    return idAt(this.ids, offset)
  }
}

/**
 * The ID `count` after `id` in the same lane: the last part counts up.
 *
 * @throws {RangeError} when `id` does not end in a number
 */
export function idAfter(id: string, count: number): string {
  const dot = id.lastIndexOf('.')
  const seq = Number(id.slice(dot + 1))
  if (dot < 0 || dot === id.length - 1 || !Number.isSafeInteger(seq + count)) throw new RangeError('not a message ID')
  return `${id.slice(0, dot + 1)}${seq + count}`
}

export function countOf(ids: readonly IdRange[]): number {
  return ids.reduce((count, range) => count + range.count, 0)
}

/** @throws {RangeError} when the ranges hold no such ID */
export function idAt(ids: readonly IdRange[], offset: number): string {
  let left = offset
  for (const range of ids) {
    if (left >= 0 && left < range.count) return idAfter(range.first, left)
    left -= range.count
  }
  throw new RangeError(`no message ${offset} in a run of ${countOf(ids)}`)
}

/** The `count` IDs from `offset` on, as ranges. */
export function sliceIds(ids: readonly IdRange[], offset: number, count: number): IdRange[] {
  const slice: IdRange[] = []
  let skip = offset
  let left = count
  for (const range of ids) {
    const taken = Math.min(Math.max(0, range.count - skip), left)
    if (taken > 0) slice.push({ first: idAfter(range.first, skip), count: taken })
    skip = Math.max(0, skip - range.count)
    left -= taken
  }
  return slice
}
