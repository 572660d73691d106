import { DaemonError } from '../../errors.ts'
import type { Store } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import type { Entry } from './run-log.ts'
import { decodeRunBodies, runKey } from './run-record.ts'

export interface BodiesDeps {
  readonly store: Pick<Store, 'get'>
  readonly sealer: Sealer
  readonly bodyCacheBytesMax: number
}

/** The bodies of durable entries: those used last in memory, the others from the store. */
export class Bodies {
  readonly #deps: BodiesDeps
  readonly #cache = new Map<Entry, readonly Uint8Array[]>()
  #cachedBytes = 0

  constructor(deps: BodiesDeps) {
    this.#deps = deps
  }

  /** Held in memory now. */
  get cachedBytes(): number {
    return this.#cachedBytes
  }

  /** Keeps bodies that were just stored at hand. */
  put(entry: Entry, bodies: readonly Uint8Array[]): void {
    this.forget(entry)
    this.#cache.set(entry, bodies)
    this.#cachedBytes += entry.bodyBytes
    for (const oldest of this.#cache.keys()) {
      if (this.#cachedBytes <= this.#deps.bodyCacheBytesMax) break
      this.forget(oldest)
    }
  }

  /** @throws {DaemonError} `RECORD_DAMAGED` it does not open or is gone; `STORE_UNAVAILABLE` */
  get(entry: Entry): readonly Uint8Array[] {
    const cached = this.#cache.get(entry)
    if (cached !== undefined) return cached
    const { store, sealer } = this.#deps
    const key = runKey(entry.first)
    const value = store.get('inbox', key)
    if (value === undefined) throw new DaemonError('RECORD_DAMAGED', 'a record of inbox is gone')
    const bodies = decodeRunBodies(sealer.open('inbox', key, value))
    if (bodies.length !== entry.end - entry.first)
      throw new DaemonError('RECORD_DAMAGED', 'a record of inbox is another')
    this.put(entry, bodies)
    return bodies
  }

  forget(entry: Entry): void {
    if (this.#cache.delete(entry)) this.#cachedBytes -= entry.bodyBytes
  }

  clear(): void {
    this.#cache.clear()
    this.#cachedBytes = 0
  }
}
