import type { MessageRun } from './contract/types.ts'
import { idAfter } from './receipt.ts'

/** Says what the app made of messages. */
export interface Acks {
  /** What messages that are given now belong to: an inbox, and where a seek last moved the cursor in it. */
  readonly place: string
  /** Everything up to and including `index` is dealt with. */
  ack(place: string, index: number): Promise<void>
  /** Everything before `index` is, and the message there is refused. */
  reject(place: string, index: number, reason: string): Promise<void>
}

/** What the messages of one delivery share. */
export interface Delivery {
  readonly run: MessageRun
  /** Of `acks`, when the run came. */
  readonly place: string
  readonly acks: Acks
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** One received message. */
export class Message {
  readonly #delivery: Delivery
  readonly #offset: number

  constructor(delivery: Delivery, offset: number) {
    this.#delivery = delivery
    this.#offset = offset
  }

  /** The sender's own ID. */
  get from(): string {
    return this.#delivery.run.from
  }

  /** What the owner of this daemon calls the sender. */
  get fromName(): string {
    return this.#delivery.run.fromName
  }

  /** The sender's contact ID; it never changes. */
  get contact(): string {
    return this.#delivery.run.contact
  }

  get channel(): string {
    return this.#delivery.run.channel
  }

  /** The same as the sender's receipt has: stable when a message comes again. */
  get id(): string {
    return idAfter(this.#delivery.run.id, this.#offset)
  }

  /** Its place in this daemon's inbox; indexes grow, with holes where messages were for others. */
  get index(): number {
    return this.#delivery.run.first + this.#offset
  }

  /** When the sender's daemon took it, by that host's clock. */
  get sentAt(): Date {
    return new Date(this.#delivery.run.sentAt)
  }

  /** Whether it may have been given to this consumer before. */
  get redelivered(): boolean {
    return this.#delivery.run.redelivered
  }

  /** The sender's daemon was restored from a backup: this message may have come before, under another ID. */
  get maybeDuplicate(): boolean {
    return this.#delivery.run.maybeDuplicate
  }

  /** A view on the delivery, which it keeps in memory: copy what you keep with `bytes()`. */
  get body(): Uint8Array {
    return this.#delivery.run.bodies[this.#offset] as Uint8Array
  }

  /** A copy of the body. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.body)
  }

  /** The body as UTF-8; bytes that are not become U+FFFD. */
  text(): string {
    return utf8.decode(this.body)
  }

  /**
   * The body as JSON.
   *
   * @throws {SyntaxError} when it is not; a peer may send anything
   */
  json(): unknown {
    return JSON.parse(this.text())
  }

  /**
   * Says that this message and all before it are dealt with: the consumer goes on after it, also after a restart.
   *
   * Acks are cumulative, so acknowledge in order, after the effect. Those of one turn share a call, and a lost daemon is told when it
   * is back; waiting for the promise is only needed before something that must not happen without the ack. It rejects with
   * `NO_SUCH_CONSUMER` for a look, which has no cursor, and with `CLOSED`. After a seek an ack of what was given before does nothing.
   */
  ack(): Promise<void> {
    return this.#delivery.acks.ack(this.#delivery.place, this.index)
  }

  /**
   * Refuses this message: its sender is told `rejected` with the reason, at most 200 characters, where it is durable. All before it count as
   * acknowledged, and the consumer goes on after it. It rejects with `INVALID_PARAMS` where the message was acknowledged already, or was given
   * before a seek.
   */
  reject(reason: string): Promise<void> {
    return this.#delivery.acks.reject(this.#delivery.place, this.index, reason)
  }

  /** Everything but the body. */
  toJSON(): Record<string, unknown> {
    const { index, id, from, fromName, contact, channel, sentAt, redelivered, maybeDuplicate } = this
    return { index, id, from, fromName, contact, channel, sentAt: sentAt.getTime(), redelivered, maybeDuplicate }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): Record<string, unknown> {
    return { ...this.toJSON(), bodyBytes: this.body.length }
  }
}
