import type { GroupCommit } from '../commit.ts'
import type { Elapsed } from './elapsed.ts'
import type { InboxRecords } from './records.ts'

/** Indexes that are set aside ahead, so that they are never used again after a crash. */
const BLOCK = 2 ** 20

export interface IndexesDeps {
  readonly id: string
  readonly records: InboxRecords
  readonly commit: GroupCommit
  readonly elapsed: Elapsed
  /** The index that the next message gets. */
  readonly end: () => number
  /** Messages without a place on disk that may still come. */
  readonly promisedCount: () => number
  /** There is room for more promises. */
  readonly raised: () => void
}

/** Keeps a ceiling on disk below which indexes may have been given: nothing that is not on disk itself gets one at or above it. */
export class Indexes {
  readonly #deps: IndexesDeps
  #ceiling = 1
  #wanted = 1

  constructor(deps: IndexesDeps) {
    this.#deps = deps
  }

  /** Whether so many more messages that have no place on disk may be promised. */
  hasRoom(count: number): boolean {
    this.raise()
    return this.#deps.end() + this.#deps.promisedCount() + count <= this.#ceiling
  }

  /** Raises the ceiling when half of what is set aside is used. */
  raise(): void {
    if (this.#deps.end() + this.#deps.promisedCount() + BLOCK / 2 <= this.#wanted) return
    const { commit, raised } = this.#deps
    this.#wanted = this.#deps.end() + this.#deps.promisedCount() + BLOCK
    this.write()
    const wanted = this.#wanted
    commit.afterwards(() => {
      this.#ceiling = Math.max(this.#ceiling, wanted)
      raised()
    })
  }

  /** Puts the ceiling and the time into the next batch. */
  write(): void {
    const { commit, records, id, elapsed } = this.#deps
    commit.write(this, () => records.putMeta({ id, ceiling: this.#wanted, ...elapsed.moment() }))
  }

  /** What was not synced is not: the ceiling of the disk counts. */
  reset(ceiling: number): void {
    this.#ceiling = ceiling
    this.#wanted = ceiling
  }

  /** For an orderly stop: the next start goes on at the exact end. */
  close(): void {
    this.#wanted = this.#deps.end()
    this.write()
  }
}
