import type { Clock } from '../../actor/clock.ts'

export interface StreamBudgetLimits {
  readonly handshakesAtOncePerContact: number
  readonly handshakesPerMinutePerContact: number
}

const MINUTE_MS = 60_000

/** How many handshakes on transfer streams a contact may cause: at once and in a minute, those that this side dials counted in the minute. */
export class StreamBudget {
  readonly #clock: Clock
  readonly #limits: StreamBudgetLimits
  readonly #contacts = new Map<string, { atMs: number[]; openCount: number }>()

  constructor(clock: Clock, limits: StreamBudgetLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Counts a handshake; false, and not counted, when the minute's are used up. */
  take(contact: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#forgetOld(nowMs)
    const used = this.#contacts.get(contact) ?? { atMs: [], openCount: 0 }
    if (used.atMs.length >= this.#limits.handshakesPerMinutePerContact) return false
    used.atMs.push(nowMs)
    this.#contacts.set(contact, used)
    return true
  }

  /** The same for a stream that came in, which stays counted until `end`. */
  begin(contact: string): boolean {
    const openCount = this.#contacts.get(contact)?.openCount ?? 0
    if (openCount >= this.#limits.handshakesAtOncePerContact || !this.take(contact)) return false
    const used = this.#contacts.get(contact)
    if (used !== undefined) used.openCount++
    return true
  }

  end(contact: string): void {
    const used = this.#contacts.get(contact)
    if (used !== undefined && used.openCount > 0) used.openCount--
  }

  #forgetOld(nowMs: number): void {
    for (const [contact, used] of this.#contacts) {
      used.atMs = used.atMs.filter(atMs => nowMs - atMs < MINUTE_MS)
      if (used.atMs.length === 0 && used.openCount === 0) this.#contacts.delete(contact)
    }
  }
}
