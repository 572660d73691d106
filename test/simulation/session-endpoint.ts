import { ProtocolError, type PublicKey, type ReceivePolicy, SecureSession, type SessionRole } from '@parley/protocol'
import type { Clock } from '../../daemon/src/actor/clock.ts'
import type { RandomBytes } from '../../daemon/src/random.ts'
import type { Persona } from './session-world.ts'

/** An endpoint that is not established says its last message again after this long, and begins anew after so many times. */
const REPEAT_AFTER_MS = 300
const REPEATS_BEFORE_RESTART = 8
const RESTARTS_MAX = 4
const LOOKUP_MS = 20

/** One session of an endpoint, with all that was said and heard in it. */
export interface Conversation {
  readonly session: SecureSession
  readonly said: Set<string>
  readonly heard: string[]
  isEstablished: boolean
}

export interface EndpointOptions {
  readonly name: string
  readonly role: SessionRole
  /** Who it says it is, and with which key. */
  readonly own: Persona
  readonly knows: (id: Uint8Array) => PublicKey | undefined
  readonly policy: ReceivePolicy
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly send: (bytes: Uint8Array) => void
  readonly messagesToSay: number
  readonly onEstablished: (conversation: Conversation) => void
  readonly count: (event: string) => void
}

/**
 * Whoever would use Secure Session on a bad link: it says things again when nothing comes, ignores what is refused,
 * begins a new session when the old one leads nowhere, and sends numbered messages when it can.
 */
export class Endpoint {
  readonly options: EndpointOptions
  /** Past and present. */
  readonly conversations: Conversation[] = []
  #lastSaid: Uint8Array | undefined
  #repeats = 0
  #isStopped = false

  constructor(options: EndpointOptions) {
    this.options = options
    this.#begin()
    this.#watch()
  }

  get now(): Conversation {
    return this.conversations.at(-1) as Conversation
  }

  receive(bytes: Uint8Array): void {
    if (this.#isStopped) return
    const conversation = this.now
    try {
      if (conversation.isEstablished) this.#hear(conversation, bytes)
      else this.#negotiate(conversation, bytes)
    } catch (error) {
      this.#ignore(error)
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Forgets all secrets. */
  wipe(): void {
    for (const { session } of this.conversations) session.wipe()
  }

  #begin(): void {
    const { role, own, policy, randomBytes, count } = this.options
    const session = SecureSession.create({
      role,
      id: own.id,
      privateKey: own.keys.privateKey,
      randomBytes,
      receivePolicy: policy
    })
    this.conversations.push({ session, said: new Set(), heard: [], isEstablished: false })
    this.#lastSaid = undefined
    count('sessions')
    if (role === 'client') this.#say(session.connectRequest())
  }

  #watch(): void {
    this.options.clock.timer(REPEAT_AFTER_MS, () => {
      if (this.#isStopped || this.now.isEstablished) return
      this.#repeats++
      if (this.#repeats % REPEATS_BEFORE_RESTART !== 0) this.#sayAgain()
      else if (this.conversations.length <= RESTARTS_MAX) {
        this.options.count('restarts')
        this.#begin()
      } else return
      this.#watch()
    })
  }

  #negotiate(conversation: Conversation, bytes: Uint8Array): void {
    const progress = conversation.session.receive(bytes)
    const { needPeerKey } = progress
    if (needPeerKey === undefined) {
      this.#proceed(conversation, progress.reply)
      return
    }
    // As a directory would: later, when other messages may have come.
    this.options.clock.timer(LOOKUP_MS, () => {
      if (this.#isStopped || this.now !== conversation) return
      try {
        const { reply } = conversation.session.peerKey(this.options.knows(needPeerKey))
        this.#proceed(conversation, reply)
      } catch (error) {
        this.#ignore(error)
      }
    })
  }

  #proceed(conversation: Conversation, reply: Uint8Array | undefined): void {
    if (reply !== undefined) this.#say(reply)
    if (!conversation.session.established) return
    conversation.isEstablished = true
    this.options.onEstablished(conversation)
    for (let i = 0; i < this.options.messagesToSay; i++) this.#tell(conversation, i)
  }

  #tell(conversation: Conversation, number: number): void {
    const text = `${this.options.name}/${this.conversations.length}/${number}`
    conversation.said.add(text)
    this.options.count('dataSent')
    this.options.send(conversation.session.wrap(new TextEncoder().encode(text), this.#nowSeconds()))
  }

  #hear(conversation: Conversation, bytes: Uint8Array): void {
    const { message } = conversation.session.unwrap(bytes, this.#nowSeconds())
    conversation.heard.push(new TextDecoder().decode(message))
    this.options.count('dataReceived')
  }

  #say(bytes: Uint8Array): void {
    this.#lastSaid = bytes
    this.options.send(bytes)
  }

  #sayAgain(): void {
    if (this.#lastSaid === undefined) return
    this.options.count('repeated')
    this.options.send(this.#lastSaid)
  }

  /** What is refused changes nothing. An established side says its last handshake message again: the peer may lack it. */
  #ignore(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error
    this.options.count(`refused ${error.code}`)
    if (this.now.isEstablished && this.options.role === 'server' && this.#repeats++ < 40) this.#sayAgain()
  }

  #nowSeconds(): number {
    return Math.floor(this.options.clock.wallMs() / 1_000)
  }
}
