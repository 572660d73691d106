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
  readonly #letters: Letter<Message>[] = []
  readonly #room: Record<Letter<Message>['kind'], number>

  constructor({ dataCountMax, controlCountMax }: MailboxLimits) {
    this.#room = { data: dataCountMax, control: controlCountMax }
  }

  /** Appends a letter; false, and nothing changed, when there is no room for its kind. */
  put(letter: Letter<Message>): boolean {
    if (this.#room[letter.kind] === 0) return false
    this.#room[letter.kind]--
    this.#letters.push(letter)
    return true
  }

  /** Removes and returns the oldest letter, or undefined when none waits. */
  take(): Letter<Message> | undefined {
    const letter = this.#letters.shift()
    if (letter !== undefined) this.#room[letter.kind]++
    return letter
  }
}
