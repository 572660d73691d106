import { DaemonError } from '../../src/errors.ts'
import type { Keyring } from '../../src/identity/keyring.ts'
import { Directory, type DirectoryDeps } from '../../src/peer/directory.ts'
import { seededRandomBytes } from '../../src/random.ts'
import type { Store, StoreEntry, StoreRange, StoreWrite, Sublevel } from '../../src/store/port.ts'
import { identityNamed } from '../identity/identities.ts'
import { testSealer } from '../store/test-sealer.ts'

export const own: Keyring = identityNamed('own')

/** A directory on `store`, whose wall clock stands at 5,000. */
export function openDirectory(store: Store, deps: Partial<DirectoryDeps> = {}): Promise<Directory> {
  const defaults = {
    own,
    sealer: testSealer(),
    clock: { wallMs: () => 5_000 },
    randomBytes: seededRandomBytes('directory'),
    contactCountMax: 100
  }
  return Directory.open(store, { ...defaults, ...deps })
}

/** Stands before a store: holds writes back, or fails them before or after they were done. */
export class Checkpoint implements Store {
  readonly #store: Store
  #held: PromiseWithResolvers<void> | undefined
  #failing: 'before' | 'after' | undefined
  batches: (readonly StoreWrite[])[] = []
  allSynced = true

  constructor(store: Store) {
    this.#store = store
  }

  hold(): void {
    this.#held = Promise.withResolvers()
  }

  release(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  fail(when: 'before' | 'after' | undefined): void {
    this.#failing = when
  }

  open(): Promise<void> {
    return this.#store.open()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  get(sublevel: Sublevel, key: Uint8Array): Uint8Array | undefined {
    return this.#store.get(sublevel, key)
  }

  range(sublevel: Sublevel, range?: StoreRange): AsyncIterable<StoreEntry> {
    return this.#store.range(sublevel, range)
  }

  async batch(writes: readonly StoreWrite[], options: { readonly sync: boolean }): Promise<void> {
    this.batches.push(writes)
    this.allSynced &&= options.sync
    await this.#held?.promise
    if (this.#failing === 'before') throw new DaemonError('STORE_UNAVAILABLE', 'planted')
    await this.#store.batch(writes, options)
    if (this.#failing === 'after') throw new DaemonError('STORE_UNAVAILABLE', 'planted')
  }
}
