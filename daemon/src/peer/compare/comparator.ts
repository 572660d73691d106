import { type RandomBytes, SecureComparator } from '@parley/protocol'
import type { Clock } from '../../actor/clock.ts'

/** What a step of the arithmetic came to. */
export interface Computed {
  /** To be sent; undefined at the initiator's end. */
  readonly reply: Uint8Array | undefined
  readonly result: 'pending' | 'match' | 'no-match'
  /** A proof of the peer did not hold. */
  readonly hasFailed: boolean
}

/** The arithmetic of one comparison. Its steps are asked for one after the other. */
export interface ComparatorRun {
  /** Makes message 1, as the initiator. */
  begin(): Promise<Computed>
  /** Takes a message of the peer. @throws {ProtocolError} `INVALID_MESSAGE` as a rejection, for one that cannot be read */
  receive(message: Uint8Array): Promise<Computed>
  /** Wipes what it holds. No step is asked for afterwards; one that is under way may never settle. */
  close(): void
}

/** Where comparisons compute: a step takes milliseconds, which other contacts must not wait for. */
export interface ComparatorWorker {
  /** @param secret - what is compared, as one piece; passes to the worker, which wipes it */
  open(secret: Uint8Array<ArrayBuffer>): ComparatorRun
  /** Ends it. No run may be open. */
  stop(): Promise<void>
}

/** Computes on the caller's own thread, at the end of a turn: for daemons that run on a virtual clock. */
export class InProcessComparator implements ComparatorWorker {
  readonly #deps: { readonly randomBytes: RandomBytes; readonly clock: Pick<Clock, 'endOfTurn'> }

  constructor(deps: { readonly randomBytes: RandomBytes; readonly clock: Pick<Clock, 'endOfTurn'> }) {
    this.#deps = deps
  }

  open(secret: Uint8Array<ArrayBuffer>): ComparatorRun {
    const { randomBytes, clock } = this.#deps
    const comparator = new SecureComparator({ randomBytes })
    comparator.append(secret)
    secret.fill(0)
    const later = (compute: () => Uint8Array | undefined) =>
      new Promise<Computed>((resolve, reject) => {
        clock.endOfTurn(() => {
          try {
            resolve({ reply: compute(), result: comparator.result, hasFailed: comparator.hasFailed })
          } catch (error) {
            reject(error)
          }
        })
      })
    return {
      begin: () => later(() => comparator.begin()),
      receive: message => later(() => comparator.receive(message)),
      close: () => comparator.wipe()
    }
  }

  async stop(): Promise<void> {
    // Nothing runs apart.
  }
}
