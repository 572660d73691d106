import { SecureComparator as CoreComparator } from '../secure-comparator/comparator.ts'
import { bytesOf, someBytesOf } from './arguments.ts'
import { asThemis, invalidParameter, ThemisError, ThemisErrorCode } from './errors.ts'
import { randomBytes } from './random.ts'

const SUBSYSTEM = 'SecureComparator'

/** Two sides learn whether they hold the same secret, and nothing else of it. */
export class SecureComparator {
  readonly #comparator: CoreComparator = new CoreComparator({ randomBytes })
  #isDestroyed = false

  /** @param pieces - of the secret, as for {@link append} */
  constructor(...pieces: readonly Uint8Array[]) {
    for (const piece of pieces) this.append(piece)
  }

  /** Wipes the secret and what was found. It is of no use afterwards. */
  destroy(): void {
    if (this.#isDestroyed) throw invalidParameter(SUBSYSTEM, 'failed to destroy Secure Comparator')
    this.#isDestroyed = true
    this.#comparator.wipe()
  }

  [Symbol.dispose](): void {
    if (!this.#isDestroyed) this.destroy()
  }

  /** Adds to the secret, before the comparison. Pieces are joined. */
  append(secret: Uint8Array): void {
    const piece = someBytesOf(secret, SUBSYSTEM, 'secret')
    asThemis(SUBSYSTEM, () => this.#comparator.append(piece))
  }

  /** Whether it is decided what {@link compareEqual} gives. */
  complete(): boolean {
    return !this.#isDestroyed && this.#comparator.result !== 'pending'
  }

  /** @throws `ThemisError` 0 before that is decided */
  compareEqual(): boolean {
    if (this.#isDestroyed) throw invalidParameter(SUBSYSTEM, 'the comparator has been destroyed')
    if (!this.complete()) throw new ThemisError(SUBSYSTEM, ThemisErrorCode.SCOMPARE_NOT_READY)
    return this.#comparator.result === 'match'
  }

  /** @returns the first message */
  begin(): Uint8Array {
    return asThemis(SUBSYSTEM, () => this.#comparator.begin())
  }

  /**
   * Takes a message of the peer.
   *
   * @returns the message to send back; empty when there is none
   */
  proceed(request: Uint8Array): Uint8Array {
    const message = bytesOf(request)
    return asThemis(SUBSYSTEM, () => this.#comparator.receive(message)) ?? new Uint8Array(0)
  }
}
