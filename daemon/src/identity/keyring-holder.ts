import type { Keyring } from './keyring.ts'

/** Puts a keyring on disk, synced: it resolves when this one is what a restart will find. */
export type SaveKeyring = (keyring: Keyring) => Promise<void>

/**
 * The keyring of a daemon as it is now. It changes as a whole, one change after the other, and each is on disk before it is seen here.
 */
export class KeyringHolder {
  readonly #save: SaveKeyring
  #current: Keyring
  #last: Promise<unknown> = Promise.resolve()

  constructor(current: Keyring, save: SaveKeyring) {
    this.#current = current
    this.#save = save
  }

  /** Ask again after every await: it may be another one. */
  get current(): Keyring {
    return this.#current
  }

  /**
   * Replaces the keyring by what `change` makes of it. After a failure the current one stays here; the changed one may be on disk all the
   * same, and the next change writes the file anew.
   *
   * @throws {DaemonError} `STORE_UNAVAILABLE`, and what `change` throws
   */
  replace(change: (keyring: Keyring) => Keyring): Promise<void> {
    const done = this.#last.then(async () => {
      const changed = change(this.#current)
      await this.#save(changed)
      this.#current = changed
    })
    // Each caller gets its own outcome; the next change only waits for the end of this one.
    this.#last = done.catch(() => undefined)
    return done
  }
}

/** A holder of a keyring that lies on no disk: for daemons that live in memory. */
export function heldInMemory(keyring: Keyring): KeyringHolder {
  return new KeyringHolder(keyring, async () => {})
}
