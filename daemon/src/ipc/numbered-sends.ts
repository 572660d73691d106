import { DaemonError } from '../errors.ts'

/** Refused numbers that are remembered: more than any connection has calls whose answers it has not read. */
const REFUSED_COUNT_MAX = 16_384

/** One connection's right to number its sends as a client, and which of them were refused. */
export class NumberedSends {
  readonly client: string
  readonly #refused = new Set<number>()
  #isHeld = true

  constructor(client: string) {
    this.client = client
  }

  /** Another connection speaks for the client now. */
  end(): void {
    this.#isHeld = false
  }

  /**
   * Begins a send: it may go unless the one before it in its lane was refused.
   *
   * @throws {DaemonError} `INVALID_REQUEST` after `end`; `QUEUE_FULL` where `previous` was refused
   */
  begin(number: number, previous: number | undefined, answeredThrough: number): void {
    if (!this.#isHeld) throw new DaemonError('INVALID_REQUEST', 'another connection is this client now')
    for (const refused of this.#refused) if (refused <= answeredThrough) this.#refused.delete(refused)
    if (previous === undefined || !this.#refused.has(previous)) return
    this.refuse(number)
    throw new DaemonError('QUEUE_FULL', 'the send before this one was refused', { data: { previous } })
  }

  accept(number: number): void {
    this.#refused.delete(number)
  }

  refuse(number: number): void {
    this.#refused.add(number)
    if (this.#refused.size <= REFUSED_COUNT_MAX) return
    const [oldest] = this.#refused
    this.#refused.delete(oldest as number)
  }
}

/** Who numbers sends as which client: the connection that said so last. An older one's sends, if any are still read, are refused. */
export class ClientClaims {
  readonly #byClient = new Map<string, NumberedSends>()

  claim(client: string): NumberedSends {
    this.#byClient.get(client)?.end()
    const sends = new NumberedSends(client)
    this.#byClient.set(client, sends)
    return sends
  }

  /** The connection is gone. */
  release(sends: NumberedSends): void {
    if (this.#byClient.get(sends.client) === sends) this.#byClient.delete(sends.client)
  }
}
