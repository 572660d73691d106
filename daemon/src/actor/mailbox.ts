/** How many messages of each kind may wait. */
export interface MailboxLimits {
  readonly dataCountMax: number
  readonly controlCountMax: number
}

/** A message on its way. One whose `isLive` was cleared is thrown away when its turn comes. */
export interface Letter<Message> {
  readonly message: Message
  /** Data may be refused; control (receipt, credit, timer, outcome) has room that data can never take. */
  readonly kind: 'data' | 'control'
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

  /** Appends a letter; false, and nothing changed, when there is no room for its kind. */
  put(letter: Letter<Message>): boolean {
    if (this.#counts[letter.kind] >= this.#limits[`${letter.kind}CountMax`]) return false
    this.#counts[letter.kind]++
    this.#letters.push(letter)
    return true
  }

  /** Removes and returns the oldest letter, or undefined when none waits. */
  take(): Letter<Message> | undefined {
    const letter = this.#letters.shift()
    if (letter !== undefined) this.#counts[letter.kind]--
    return letter
  }
}
