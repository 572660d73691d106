import type { Clock, Timer } from '../../actor/clock.ts'
import { hexOf } from '../../identity/fields.ts'
import type { AuditLog } from '../../observe/audit/port.ts'
import type { Log } from '../../observe/log-port.ts'
import type { NodeId } from '../../transport/port.ts'
import type { PairingChannel } from './channel.ts'
import { PairingFault } from './fault.ts'
import { INVITATION_MS } from './invitation.ts'
import { endOf, isInterruption, type TellPairing } from './outcome.ts'
import type { PairedContact, PairingContacts, PairingSelf, PairingWishes } from './port.ts'
import type { Match } from './run.ts'
import { Settlement } from './settlement.ts'

const RETRY_MS = 1_000
const RETRY_MS_MAX = 30_000

export interface SettlementsDeps {
  readonly clock: Clock
  readonly self: PairingSelf
  readonly contacts: PairingContacts
  readonly audit: AuditLog
  readonly log: Log
  readonly tell: TellPairing
  /** The number of those that wait has changed. */
  changed(): void
}

/** Dials the inviter again, at its card's addresses where they are known. @throws {DaemonError} */
export type Redial = (nodeId: NodeId, addresses: readonly string[]) => Promise<PairingChannel>

interface Entry {
  readonly pairing: string
  readonly settlement: Settlement
  /** Of the joiner: it dials, and the inviter waits. */
  readonly redial: Redial | undefined
  /** When it dies. */
  readonly deadline: Timer
  retry: Timer | undefined
  retryMs: number
  isOver: boolean
}

/**
 * Matches that wait for cards and confirms. Where a stream is lost the joiner dials again, names T, and both go on; after ten minutes
 * what is not verified is taken back, and each side says so.
 */
export class Settlements {
  readonly #deps: SettlementsDeps
  readonly #entries = new Map<string, Entry>()
  #isStopped = false

  constructor(deps: SettlementsDeps) {
    this.#deps = deps
  }

  /** How many wait for the other side to come. */
  get awaitedCount(): number {
    return [...this.#entries.values()].filter(({ redial }) => redial === undefined).length
  }

  /** Whether a stream of this node is awaited. */
  awaits(nodeId: NodeId): boolean {
    return [...this.#entries.values()].some(
      ({ redial, settlement }) => redial === undefined && settlement.match.peer === nodeId
    )
  }

  /** A run has matched: goes on over its stream. */
  begin(pairing: string, match: Match, wishes: PairingWishes, channel: PairingChannel, redial?: Redial): void {
    const { clock, self, contacts, tell } = this.#deps
    const { role } = match
    const settlement = new Settlement(match, wishes, {
      self,
      contacts,
      pending: ({ id }) => tell(pairing, role, { state: 'pending', id }),
      verified: contact => this.#verified(pairing, match, contact)
    })
    const entry: Entry = {
      pairing,
      settlement,
      redial,
      deadline: clock.timer(INVITATION_MS, () => this.#expire(entry)),
      retry: undefined,
      retryMs: RETRY_MS,
      isOver: false
    }
    this.#entries.set(hexOf(match.binding), entry)
    this.#deps.changed()
    tell(pairing, role, { state: 'matched' })
    this.#drive(entry, channel)
  }

  /** The joiner of a run that had matched is back. Whoever else it may be is cut off without a word. */
  resume(channel: PairingChannel, binding: Uint8Array): void {
    const entry = this.#entries.get(hexOf(binding))
    if (entry === undefined || entry.redial !== undefined || entry.settlement.match.peer !== channel.nodeId) {
      channel.fail('PEER_CLOSED', 'nothing waits for that')
      return
    }
    channel.proven()
    this.#drive(entry, channel)
  }

  /** Ends a pairing for its owner. False where none of that ID waits. */
  cancel(pairing: string): boolean {
    const entry = [...this.#entries.values()].find(entry => entry.pairing === pairing)
    if (entry === undefined) return false
    void this.#fail(entry, new PairingFault('CANCELLED', 'the owner ended it'))
    return true
  }

  /** Takes back whatever is not verified. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(
      [...this.#entries.values()].map(entry => this.#fail(entry, new PairingFault('CANCELLED', 'stop')))
    )
  }

  #drive(entry: Entry, channel: PairingChannel): void {
    entry.settlement.run(channel).then(
      () => this.#remove(entry),
      error => this.#interrupted(entry, error)
    )
  }

  #interrupted(entry: Entry, error: unknown): void {
    const { settlement, pairing, redial } = entry
    if (entry.isOver) return
    if (settlement.contact !== undefined && !isInterruption(error)) {
      // Verified stays verified; there is nothing left that the other side could be told.
      this.#remove(entry)
    } else if (!isInterruption(error)) {
      void this.#fail(entry, error)
    } else {
      if (settlement.contact === undefined) {
        this.#deps.tell(pairing, settlement.match.role, { state: 'interrupted', ...endOf(error) })
      }
      if (redial !== undefined) this.#redialLater(entry, redial)
    }
  }

  #redialLater(entry: Entry, redial: Redial): void {
    entry.retry = this.#deps.clock.timer(entry.retryMs, () => void this.#redial(entry, redial))
    entry.retryMs = Math.min(2 * entry.retryMs, RETRY_MS_MAX)
  }

  async #redial(entry: Entry, redial: Redial): Promise<void> {
    const { settlement } = entry
    const { match } = settlement
    try {
      const channel = await redial(match.peer, settlement.addresses)
      if (entry.isOver) {
        channel.fail('CANCELLED', 'it is over')
        return
      }
      channel.send({ kind: 'resume', binding: match.binding })
      this.#drive(entry, channel)
    } catch (error) {
      if (entry.isOver) return
      const { code } = endOf(error)
      // The inviter has nothing that waits any more: it is done, or has given up.
      if (code === 'NOT_ACCEPTED' && settlement.contact !== undefined) this.#remove(entry)
      else this.#redialLater(entry, redial)
    }
  }

  async #verified(pairing: string, match: Match, { contact, name }: PairedContact): Promise<void> {
    const { audit, tell, log } = this.#deps
    try {
      await audit.record({ action: 'pairing.verified', subject: contact, by: 'local', detail: { role: match.role } })
    } catch (error) {
      // The contact is on disk as verified; that cannot be taken back for want of a line in the log.
      log.error({ err: error, contact }, 'a verified pairing could not be written to the audit log')
    }
    tell(pairing, match.role, { state: 'verified', contact, name })
  }

  #expire(entry: Entry): void {
    if (entry.settlement.contact !== undefined) this.#remove(entry)
    else void this.#fail(entry, undefined)
  }

  /** `error` is absent where the time is over. */
  async #fail(entry: Entry, error: unknown): Promise<void> {
    const { pairing, settlement } = entry
    if (entry.isOver) return
    this.#remove(entry)
    try {
      await settlement.abandon()
    } catch (cause) {
      this.#deps.log.error({ err: cause }, 'a pending contact could not be taken back; the next start does it')
    }
    if (settlement.contact !== undefined || this.#isStopped) return
    const end = error === undefined ? EXPIRED : endOf(error)
    this.#deps.tell(pairing, settlement.match.role, { state: 'failed', ...end })
    await failedInAudit(this.#deps, pairing, end.code)
  }

  #remove(entry: Entry): void {
    entry.isOver = true
    entry.deadline.cancel()
    entry.retry?.cancel()
    this.#entries.delete(hexOf(entry.settlement.match.binding))
    this.#deps.changed()
  }
}

const EXPIRED = { code: 'PAIRING_EXPIRED', detail: 'the other side did not finish within ten minutes' } as const

/** A failure needs no log to be one. */
export async function failedInAudit(
  { audit, log }: Pick<SettlementsDeps, 'audit' | 'log'>,
  pairing: string,
  code: string
): Promise<void> {
  try {
    await audit.record({ action: 'pairing.failed', subject: pairing, by: 'peer', detail: { code } })
  } catch (error) {
    log.error({ err: error }, 'a failed pairing could not be written to the audit log')
  }
}
