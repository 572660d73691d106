/** What is decided between a session that has just come up and one that is up already. */
export type Verdict =
  /** The peer is a new process: the older session is dead. */
  | 'peer-restarted'
  /** The new one follows the older one, which is drained. */
  | 'rekeyed'
  /** The same side opened another: the older one is dead, whatever this side still believes. */
  | 'replaced'
  /** Glare: this side decides, and ends the older, or the new one. */
  | 'keep-new'
  | 'keep-old'
  /** Glare: the other side decides, and says so with `bye`. */
  | 'wait'

/** A session, as far as the decision goes. */
export interface Contender {
  readonly openedByUs: boolean
  /** Monotonic time at which it passed `hello` here. */
  readonly openedAtMs: number
  readonly peerBootId: Uint8Array
  /** 1 for a first session. */
  readonly generation: number
  /** The opener marked it as the successor of the generation before. */
  readonly isRekey: boolean
}

/**
 * Decides between the older session and the one that has just passed `hello`, so that both sides come to keep the same one.
 *
 * @param decides - whether this side's Themis public key container is the smaller of the two
 */
export function arbitrate(old: Contender, fresh: Contender, decides: boolean, glareWindowMs: number): Verdict {
  if (Buffer.compare(old.peerBootId, fresh.peerBootId) !== 0) return 'peer-restarted'
  const isSameOpener = old.openedByUs === fresh.openedByUs
  if (fresh.isRekey && isSameOpener && fresh.generation === old.generation + 1) return 'rekeyed'
  if (isSameOpener) return 'replaced'
  if (!decides) return 'wait'
  const isClose = fresh.openedAtMs - old.openedAtMs <= glareWindowMs
  return isClose && old.openedByUs ? 'keep-old' : 'keep-new'
}
