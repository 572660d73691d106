import type { Clock, Timer } from '../../actor/clock.ts'
import { textBytes } from '../../identity/fields.ts'
import type { PairingForm, PairingSecret } from './code.ts'
import type { PairingWishes } from './port.ts'

/** How long an invitation stands, and how long a side waits for what is missing after its match. */
export const INVITATION_MS: number = 10 * 60_000
/** Invitations open at a time, and joins under way. */
export const INVITATION_COUNT_MAX = 8
/** How long a run may take, from its stream to its end. */
export const RUN_TIMEOUT_MS = 15_000
/** Wrong tries after which an invitation is dead. */
export const INVITATION_TRIES_MAX = 3
/** Runs that may be started on one invitation, whatever becomes of them. */
export const INVITATION_RUNS_MAX = 20

/** Why an invitation is dead. */
export type InvitationEnd = 'matched' | 'tries' | 'runs' | 'expired' | 'cancelled'

export interface InvitationOptions {
  readonly pairing: string
  readonly nameplate: string
  /** `word-word`. */
  readonly words: string
  /** 16 bytes. */
  readonly linkSecret: Uint8Array
  readonly wishes: PairingWishes
  readonly clock: Clock
  /** Called once. */
  readonly ended: (end: InvitationEnd) => void
}

/** One open invitation: its secrets, and the counters that hang on it and on nothing else. Dead, it knows no secret. */
export class Invitation {
  readonly pairing: string
  readonly nameplate: string
  readonly wishes: PairingWishes
  readonly #secrets: Record<PairingForm, Uint8Array>
  readonly #ended: (end: InvitationEnd) => void
  readonly #timer: Timer
  #runCount = 0
  #spentCount = 0
  #isRunning = false
  #end: InvitationEnd | undefined

  constructor({ pairing, nameplate, words, linkSecret, wishes, clock, ended }: InvitationOptions) {
    this.pairing = pairing
    this.nameplate = nameplate
    this.wishes = wishes
    this.#secrets = { code: textBytes(words), link: linkSecret }
    this.#ended = ended
    this.#timer = clock.timer(INVITATION_MS, () => this.end('expired'))
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  get triesLeft(): number {
    return INVITATION_TRIES_MAX - this.#spentCount
  }

  /** Begins a run and gives the secret of this form, a copy. Undefined where it is dead, or has a run already: there is one at a time. */
  begin(form: PairingForm): PairingSecret | undefined {
    if (!this.isOpen || this.#isRunning) return undefined
    this.#isRunning = true
    this.#runCount++
    return { form, nameplate: this.nameplate, secret: this.#secrets[form].slice() }
  }

  /** A try is spent. */
  spend(): void {
    this.#spentCount++
  }

  /** The comparison of the run matched: its try is given back, and the invitation has done its work. */
  match(): void {
    this.#spentCount--
    this.end('matched')
  }

  /** The run is over. */
  finish(): void {
    this.#isRunning = false
    if (this.#spentCount >= INVITATION_TRIES_MAX) this.end('tries')
    else if (this.#runCount >= INVITATION_RUNS_MAX) this.end('runs')
  }

  end(end: InvitationEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#timer.cancel()
    for (const secret of Object.values(this.#secrets)) secret.fill(0)
    this.#ended(end)
  }
}
