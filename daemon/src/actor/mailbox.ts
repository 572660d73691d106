/** Data may be refused; control (receipt, credit, timer, outcome) has room that data can never take. */
export type MailKind = 'data' | 'control'

/** How many messages of each kind may wait. */
export interface MailboxLimits {
  readonly dataCountMax: number
  readonly controlCountMax: number
}

/** A waiting message. One whose `isLive` was cleared is thrown away when its turn comes. */
export interface Letter<Message> {
  readonly message: Message
  readonly kind: MailKind
  isLive: boolean
}

/** A bounded queue: each kind of mail has its own room, all of it keeps one order of arrival. */
export class Mailbox<Message> {
  readonly #limits: MailboxLimits
  readonly #letters: Letter<Message>[] = []
  readonly #counts = { data: 0, control: 0 }

  constructor(limits: MailboxLimits) {
    this.#limits = limits
  }

  /** Appends a letter; undefined, and nothing changed, when there is no room for its kind. */
  put(message: Message, kind: MailKind): Letter<Message> | undefined {
    if (this.#counts[kind] >= this.#limits[`${kind}CountMax`]) return undefined
    const letter = { message, kind, isLive: true }
    this.#letters.push(letter)
    this.#counts[kind]++
    return letter
  }

  /** Removes and returns the oldest letter, or undefined when none waits. */
  take(): Letter<Message> | undefined {
    const letter = this.#letters.shift()
    if (letter !== undefined) this.#counts[letter.kind]--
    return letter
  }
}
