import type { Clock, Timer } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from './port.ts'

/** Disk space that is kept for bad days. */
export interface Reserve {
  /** Takes the space. */
  fill(): Promise<void>
  /** Gives it up. */
  release(): Promise<void>
}

export type Availability = { readonly isAvailable: true } | { readonly isAvailable: false; readonly error: unknown }

export interface GuardedStoreDeps {
  readonly store: Store
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /**
   * Told when the store is lost, before any caller hears of the failed write, and when it is back. Between the two every user
   * must let go of what it held in memory: what was not acknowledged may be on disk or not. Each try that fails is told too.
   */
  readonly onChange: (availability: Availability) => void
  /** Given up before the store is opened again, taken again once it is back. */
  readonly reserve?: Reserve
}

export interface GuardedStoreOptions {
  /** Wait before the first try to open again; doubled for each further one up to `backOffMaxMs`. */
  readonly backOffMs: number
  readonly backOffMaxMs: number
}

const PROBE_KEY = new TextEncoder().encode('probe')

/**
 * A store that comes back by itself. After a failed write nothing is accepted (`STORE_UNAVAILABLE`) until the store was opened
 * again and one synced write has gone through.
 */
export class GuardedStore implements Store {
  readonly #deps: GuardedStoreDeps
  readonly #options: GuardedStoreOptions
  #state: 'closed' | 'available' | 'lost' = 'closed'
  #backOffMs = 0
  #timer: Timer | undefined
  #attempt: Promise<void> | undefined

  constructor(deps: GuardedStoreDeps, options: GuardedStoreOptions) {
    this.#deps = deps
    this.#options = options
  }

  /**
   * Opens the store and proves that it can be written. Where it cannot, the reserve is given up, and that is tried once more. Tells no
   * listener: the caller knows.
   */
  async open(): Promise<void> {
    if (this.#state !== 'closed') return
    try {
      await this.#openProved()
    } catch (error) {
      const isUnavailable = error instanceof DaemonError && error.code === 'STORE_UNAVAILABLE'
      if (!isUnavailable || this.#deps.reserve === undefined) throw error
      await this.#releaseReserve()
      await this.#openProved()
    }
    await this.#fillReserve()
    this.#state = 'available'
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#timer?.cancel()
    await this.#attempt
    await this.#deps.store.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    this.#assertAvailable()
    return this.#deps.store.get(sublevel, key)
  }

  async *range(sublevel: Sublevel, range?: StoreRange): AsyncGenerator<StoreEntry, void, undefined> {
    this.#assertAvailable()
    yield* this.#deps.store.range(sublevel, range)
  }

  async batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    this.#assertAvailable()
    try {
      await this.#deps.store.batch(writes, options)
    } catch (error) {
      // Others that were in flight fail with the first; only one of them begins the way back.
      if (this.#state === 'available') this.#lose(error)
      throw error
    }
  }

  async compact(): Promise<void> {
    this.#assertAvailable()
    await this.#deps.store.compact?.()
  }

  #lose(error: unknown): void {
    this.#state = 'lost'
    this.#backOffMs = this.#options.backOffMs
    this.#deps.onChange({ isAvailable: false, error })
    this.#retryLater()
  }

  #retryLater(): void {
    this.#timer = this.#deps.clock.timer(this.#backOffMs, () => {
      this.#attempt = this.#reopen()
    })
    this.#backOffMs = Math.min(this.#backOffMs * 2, this.#options.backOffMaxMs)
  }

  async #reopen(): Promise<void> {
    const { store, onChange } = this.#deps
    try {
      await store.close()
      await this.#releaseReserve()
      await this.#openProved()
    } catch (error) {
      if (this.#state !== 'lost') return
      onChange({ isAvailable: false, error })
      this.#retryLater()
      return
    }
    await this.#fillReserve()
    if (this.#state !== 'lost') return
    this.#state = 'available'
    onChange({ isAvailable: true })
  }

  async #openProved(): Promise<void> {
    const { store } = this.#deps
    try {
      await store.open()
      await this.#probe()
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Fresh bytes each time, so that an old probe cannot pass for the new one. */
  async #probe(): Promise<void> {
    const { store, randomBytes } = this.#deps
    const value = randomBytes(16)
    await store.batch([{ type: 'put', sublevel: 'meta', key: PROBE_KEY, value }], { sync: true })
    const found = store.get('meta', PROBE_KEY)
    if (found === undefined || Buffer.compare(found, value) !== 0) {
      throw new DaemonError('STORE_UNAVAILABLE', 'the store does not keep what it is given')
    }
  }

  async #releaseReserve(): Promise<void> {
    try {
      await this.#deps.reserve?.release()
    } catch {
      // On a disk that cannot be written at all it stays; what the store says when it opens tells more.
    }
  }

  async #fillReserve(): Promise<void> {
    try {
      await this.#deps.reserve?.fill()
    } catch {
      // A disk too full for the reserve may still serve; the next failed write says when it does not.
    }
  }

  #assertAvailable(): void {
    if (this.#state !== 'available') throw new DaemonError('STORE_UNAVAILABLE', 'the store cannot be used')
  }
}
