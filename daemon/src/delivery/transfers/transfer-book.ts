import type { TransferInfo } from '@parley/client-sdk/contract'
import type { ActorRef } from '../../actor/actor.ts'
import { DaemonError } from '../../errors.ts'
import { IncomingTransfer } from './incoming-transfer.ts'
import { OutgoingTransfer } from './outgoing-transfer.ts'
import { endError, type TransferOutcome } from './transfer.ts'

export interface Entry {
  readonly contact: string
  readonly transfer: OutgoingTransfer | IncomingTransfer
  readonly actor: ActorRef<never>
}

/** What is remembered of a transfer that is over. */
export interface Finished {
  readonly contact: string
  readonly info: TransferInfo
  readonly outcome: TransferOutcome
}

export interface TransferBookLimits {
  readonly transferCountMax: number
  readonly transferContactCountMax: number
}

/** Outcomes that are remembered, so that whoever asks again after a cut is told. */
const FINISHED_COUNT_MAX = 1_000

/** All transfers by ID, those that are not over and the last that are. */
export class TransferBook {
  readonly #limits: TransferBookLimits
  readonly #entries = new Map<string, Entry>()
  readonly #finished = new Map<string, Finished>()

  constructor(limits: TransferBookLimits) {
    this.#limits = limits
  }

  all(): readonly Entry[] {
    return [...this.#entries.values()]
  }

  find(id: string): Entry | undefined {
    return this.#entries.get(id)
  }

  finished(id: string): Finished | undefined {
    return this.#finished.get(id)
  }

  /** @throws {DaemonError} `NO_SUCH_TRANSFER`; `TRANSFER_CANCELLED` where it ended so */
  get(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry !== undefined) return entry
    const outcome = this.#finished.get(id)?.outcome
    if (outcome?.type === 'cancelled') throw endError(outcome)
    throw new DaemonError('NO_SUCH_TRANSFER', 'there is no such transfer here, or it is over')
  }

  /** @throws {DaemonError} as {@link TransferBook.get} */
  outgoing(id: string): OutgoingTransfer {
    const { transfer } = this.get(id)
    if (transfer instanceof OutgoingTransfer) return transfer
    throw new DaemonError('NO_SUCH_TRANSFER', 'the file comes from the peer')
  }

  /** @throws {DaemonError} as {@link TransferBook.get} */
  incoming(id: string): IncomingTransfer {
    const { transfer } = this.get(id)
    if (transfer instanceof IncomingTransfer) return transfer
    throw new DaemonError('NO_SUCH_TRANSFER', 'the file goes to the peer')
  }

  add(id: string, entry: Entry): void {
    this.#entries.set(id, entry)
  }

  /** Forgets a transfer but for its outcome, where it has one. */
  remove(id: string, outcome: TransferOutcome | undefined): Entry | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    if (outcome === undefined) return entry
    this.#finished.set(id, { contact: entry.contact, info: entry.transfer.describe(), outcome })
    if (this.#finished.size > FINISHED_COUNT_MAX) this.#finished.delete(this.#finished.keys().next().value as string)
    return entry
  }

  /** Whether one more of this kind may be there, with the contact and in all. */
  hasRoom(contact: string, kind: typeof OutgoingTransfer | typeof IncomingTransfer): boolean {
    const alike = this.all().filter(entry => entry.transfer instanceof kind)
    return (
      alike.length < this.#limits.transferCountMax &&
      alike.filter(entry => entry.contact === contact).length < this.#limits.transferContactCountMax
    )
  }
}
