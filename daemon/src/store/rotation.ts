import type { StoreKeysInfo } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { KeyringHolder } from '../identity/keyring-holder.ts'
import type { Log } from '../observe/log-port.ts'
import type { RandomBytes } from '../random.ts'
import { SUBLEVELS, type Sublevel } from './port.ts'
import type { ResealingStore } from './resealing.ts'
import { isPlainRecord, keyNumberOf } from './sealed.ts'

export interface StoreRotationDeps {
  readonly store: ResealingStore
  readonly keys: KeyringHolder
  readonly clock: Pick<Clock, 'timer'>
  readonly randomBytes: RandomBytes
  readonly log: Log
}

/** What one batch seals anew, so that traffic waits for little. */
const CHUNK_COUNT_MAX = 64
const CHUNK_BYTES_MAX = 1024 * 1024
/** Between batches, for everything else. */
const PAUSE_MS = 5

/**
 * Replaces the key of the store: a new key is on disk before anything is sealed with it, every record is sealed anew beside the traffic,
 * the database is compacted, and only then does the old key leave. Cut at any point, it goes on from there at the next start: more than
 * one key in the keyring says that it is not done.
 */
export class StoreRotation {
  readonly #deps: StoreRotationDeps
  #running: Promise<void> | undefined
  #isStopped = false
  #isWantedAgain = false
  #wake: () => void = () => {}
  #resealed = 0
  #error: DaemonError | undefined

  constructor(deps: StoreRotationDeps) {
    this.#deps = deps
  }

  info(): StoreKeysInfo {
    const { newest, count } = this.#deps.keys.current.storeKeys
    const isRotating = count > 1
    return {
      newest,
      rotating: isRotating,
      resealed: this.#resealed,
      ...(isRotating && this.#error !== undefined && { waitingFor: this.#error.code })
    }
  }

  /**
   * Begins a rotation, or joins the one that runs.
   *
   * @returns once the new key is on disk
   * @throws {DaemonError} `STORE_UNAVAILABLE`
   */
  async begin(): Promise<StoreKeysInfo> {
    const { keys, randomBytes } = this.#deps
    await keys.replace(keyring =>
      keyring.storeKeys.count > 1 ? keyring : keyring.with({ storeKeys: keyring.storeKeys.withNewKey(randomBytes) })
    )
    this.resume()
    return this.info()
  }

  /** Goes on with a rotation that was begun: at the start, and when the store is back. */
  resume(): void {
    // One that fails just now does not know that the store is back.
    this.#isWantedAgain = this.#running !== undefined
    if (this.#isStopped || this.#isWantedAgain || this.#deps.keys.current.storeKeys.count === 1) return
    this.#error = undefined
    this.#resealed = 0
    this.#running = this.#run()
      .catch((cause: unknown) => this.#failed(cause))
      .finally(() => {
        this.#running = undefined
        if (this.#isWantedAgain) this.resume()
      })
  }

  /** Stops where it is. The store stays open for it until then. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    const { store, keys, log } = this.#deps
    const { newest } = keys.current.storeKeys
    // What was sealed before the new key came, and is on its way to the disk, is not seen by reading.
    await store.settled()
    let damagedCount = 0
    for (let isDone = false; !isDone && !this.#isStopped; ) {
      damagedCount = 0
      isDone = true
      for (const sublevel of SUBLEVELS) {
        const pass = await this.#resealAll(sublevel)
        damagedCount += pass.damagedCount
        if (pass.count > 0) isDone = false
      }
    }
    if (this.#isStopped) return
    await store.compact()
    if (this.#isStopped) return
    await keys.replace(keyring => keyring.with({ storeKeys: keyring.storeKeys.withoutOldKeys() }))
    log.info({ key: newest, resealed: this.#resealed, damaged: damagedCount }, 'the key of the store was replaced')
  }

  async #resealAll(sublevel: Sublevel): Promise<{ count: number; damagedCount: number }> {
    const { store } = this.#deps
    const total = { count: 0, damagedCount: 0 }
    let from: Uint8Array | undefined = new Uint8Array(0)
    while (from !== undefined && !this.#isStopped) {
      const { keys, next } = await this.#chunk(sublevel, from)
      from = next
      if (keys.length === 0) continue
      const { count, damagedCount } = await store.reseal(sublevel, keys)
      this.#resealed += count
      total.count += count
      total.damagedCount += damagedCount
      await this.#pause()
    }
    return total
  }

  /** The keys of some records that an older key sealed, and where the next ones begin. */
  async #chunk(sublevel: Sublevel, from: Uint8Array): Promise<{ keys: Uint8Array[]; next: Uint8Array | undefined }> {
    const { store, keys: keyring } = this.#deps
    const { newest } = keyring.current.storeKeys
    const keys: Uint8Array[] = []
    let bytes = 0
    for await (const { key, value } of store.range(sublevel, { gte: from })) {
      if (isPlainRecord(sublevel, key) || keyNumberOf(value) === newest) continue
      keys.push(key)
      bytes += value.length
      if (keys.length === CHUNK_COUNT_MAX || bytes >= CHUNK_BYTES_MAX) return { keys, next: after(key) }
    }
    return { keys, next: undefined }
  }

  #pause(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#deps.clock.timer(PAUSE_MS, resolve)
    this.#wake = () => {
      timer.cancel()
      resolve()
    }
    return promise
  }

  #failed(cause: unknown): void {
    const error =
      cause instanceof DaemonError
        ? cause
        : new DaemonError('INTERNAL', 'the rotation of the store key failed', { cause })
    this.#error = error
    // A store that was lost comes back, and the rotation with it.
    this.#deps.log.warn({ err: error }, 'replacing the key of the store was interrupted')
  }
}

/** The first key behind `key`. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
