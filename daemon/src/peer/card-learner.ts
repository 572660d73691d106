import { decodeCard } from '../identity/card.ts'
import type { Directory } from './directory.ts'

/**
 * Takes the cards that contacts send in their sessions: one of each contact at a time, and of those that come meanwhile the
 * newest. Changes of the directory run one after the other, so a contact that sends cards without end must not fill their queue.
 */
export class CardLearner {
  readonly #directory: Pick<Directory, 'learn'>
  readonly #refused: (contact: string, error: unknown) => void
  /** Contacts of whom a card is being taken, with the card to take next. */
  readonly #next = new Map<string, Uint8Array | undefined>()

  /** `refused` hears of each card that is not right; such a card changes nothing. It must not throw. */
  constructor(directory: Pick<Directory, 'learn'>, refused: (contact: string, error: unknown) => void) {
    this.#directory = directory
    this.#refused = refused
  }

  /** Takes a card of `contact`, now or when the one in hand is done. `bytes` must not change. */
  learn(contact: string, bytes: Uint8Array): void {
    const isBusy = this.#next.has(contact)
    this.#next.set(contact, isBusy ? bytes : undefined)
    if (!isBusy) void this.#take(contact, bytes)
  }

  async #take(contact: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#directory.learn(contact, decodeCard(bytes))
    } catch (error) {
      this.#refused(contact, error)
    }
    const next = this.#next.get(contact)
    this.#next.delete(contact)
    if (next !== undefined) this.learn(contact, next)
  }
}
