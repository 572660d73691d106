import type { SessionState } from '@parley/client-sdk/contract'

/** How many contacts are in which state, so that a limit on them costs no walk over all. */
export class SessionCounts {
  readonly #counts: Record<SessionState, number> = {
    offline: 0,
    dialling: 0,
    negotiating: 0,
    established: 0,
    rekeying: 0,
    closing: 0
  }

  /** Notes that a contact went from one state to another; undefined where it was not there before, or is not any more. */
  move(from: SessionState | undefined, to: SessionState | undefined): void {
    if (from !== undefined) this.#counts[from]--
    if (to !== undefined) this.#counts[to]++
  }

  /** In session. */
  get up(): number {
    return this.#counts.established + this.#counts.rekeying
  }

  /** In session, or in a handshake for one: they have a stream. */
  get streaming(): number {
    return this.up + this.#counts.negotiating
  }

  /** Those with a stream, and those that are being dialled for one. */
  get busy(): number {
    return this.streaming + this.#counts.dialling
  }
}
