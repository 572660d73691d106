import { Acker } from './acker.ts'
import { AuditLog } from './audit.ts'
import type { Clock } from './clock.ts'
import { type CompareOptions, Comparer, ComparisonStream } from './compare.ts'
import { Consumers } from './consumers.ts'
import type { MethodName, Params, Result } from './contract/methods.ts'
import type {
  CompareVerdict,
  From,
  Health,
  IdentityInfo,
  MessageFilter,
  MessageStateRange,
  NodeStatus
} from './contract/types.ts'
import { ParleyError } from './errors.ts'
import { EventStream, type EventsOptions } from './event-stream.ts'
import { Fetcher } from './fetcher.ts'
import type { Link } from './link.ts'
import { type Acks, Message } from './message.ts'
import { MessageStream } from './message-stream.ts'
import { MessageTracker } from './message-tracker.ts'
import { Pairing } from './pairing.ts'
import { type CallOptions, Peers } from './peers.ts'
import type { Receipt, RunReceipt } from './receipt.ts'
import { Asker, type RequestHandler, type RequestOptions, RequestServer, type ServeOptions } from './requests.ts'
import type { SendOptions } from './send-options.ts'
import { Sender } from './sender.ts'
import { Transfers } from './transfers.ts'
import { Vault } from './vault.ts'

/** How long `close` waits for what is under way. */
const DRAIN_MS = 5_000

/** Which messages, and as whom. */
export interface ReadOptions {
  /**
   * The name under which the daemon keeps how far this program has read, or null for a look: no cursor, no ack, seen by nobody.
   * One program at a time reads under a name.
   */
  readonly consumer: string | null
  readonly channel?: string | undefined
  readonly channels?: readonly string[] | undefined
  /** Contacts by name, ID or contact ID; everyone unless given. */
  readonly peers?: readonly string[] | undefined
  /** Where a new consumer, or a look, starts. A consumer that exists goes on where it is. */
  readonly from?: From | undefined
  readonly signal?: AbortSignal | undefined
}

export interface MessagesOptions extends ReadOptions {
  /** Ends the subscription that another program has under this name, with `TAKEN_OVER` there. */
  readonly takeover?: boolean | undefined
}

export interface FetchOptions extends ReadOptions {
  /** At most this many messages; the daemon has a limit of its own. */
  readonly max?: number | undefined
  /** How long to wait for the first one; the daemon waits at most a minute, unless it is set otherwise. */
  readonly waitMs?: number | undefined
}

export interface Fetched {
  readonly messages: readonly Message[]
  /** The index after the last one looked at: `from: { after: next - 1 }` goes on there. */
  readonly next: number
}

export interface CloseOptions {
  /** Whether to wait, at most 5 s, for sends and acks under way. True unless said. */
  readonly drain?: boolean | undefined
}

/** A connection to the daemon of this host; made by `connect`. Every method may throw `DAEMON_UNREACHABLE` and `CLOSED`. */
export class Client implements AsyncDisposable {
  readonly peers: Peers
  readonly pairing: Pairing
  readonly transfers: Transfers
  readonly consumers: Consumers
  readonly vault: Vault
  readonly audit: AuditLog
  readonly #link: Link
  readonly #clock: Clock
  readonly #tracker: MessageTracker
  readonly #sender: Sender
  readonly #fetcher: Fetcher
  readonly #ackers = new Map<string, Acker>()
  readonly #streams = new Set<MessageStream | EventStream | ComparisonStream>()
  readonly #asker: Asker
  readonly #servers = new Set<RequestServer>()
  readonly #comparer: Comparer
  #closing: Promise<void> | undefined

  /** `link` has started. */
  constructor(link: Link, clock: Clock) {
    this.#link = link
    this.#clock = clock
    this.#tracker = new MessageTracker(link)
    this.#sender = new Sender({ link, clock, tracker: this.#tracker })
    this.#fetcher = new Fetcher(link)
    this.#asker = new Asker(link)
    this.#comparer = new Comparer(link)
    this.peers = new Peers(link)
    this.pairing = new Pairing(link, options => this.events(options))
    this.transfers = new Transfers(link, clock)
    this.consumers = new Consumers(link)
    this.vault = new Vault(link)
    this.audit = new AuditLog(link)
  }

  /** Whether the daemon is there at the moment. */
  get isConnected(): boolean {
    return this.#link.connection !== undefined
  }

  /** The ID of the identity that the daemon speaks for. */
  get id(): string {
    return this.#link.hello.id
  }

  /** What the daemon said of itself when it was last connected to: version, features, limits. */
  get hello(): Result<'node.hello'> {
    return this.#link.hello
  }

  /**
   * Sends one message. Those sent in one turn to the same peer and channel leave together, in order.
   *
   * The promise resolves when the message is accepted: on the disk of this host, whence the daemon brings it to the peer, or tells why not (`Receipt`). With
   * `durable: false` that is when it is on its way to a peer that is there. `body` must not change until then; text is sent as UTF-8.
   *
   * While the daemon is away the send waits, until its signal or `timeoutMs` ends it with `DAEMON_UNREACHABLE`; `data.accepted` tells `'no'` from
   * `'unknown'`. What a lost connection left unknown is asked of the next one and accepted once; without `durable` it fails, and is never sent again by
   * itself.
   *
   * @throws {ParleyError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` `INVALID_PARAMS` `TOO_LARGE` `BLOCKED` `UNTRUSTED` `CHANNEL_LIMIT`; `QUEUE_FULL` and `STORE_UNAVAILABLE`
   * with `whenFull: 'fail'`, or when the time is over; not durable: `PEER_OFFLINE` `NOT_ACCEPTED` `TIMED_OUT`; the signal's reason
   */
  send(peer: string, body: Uint8Array | string, options: SendOptions = {}): Promise<Receipt> {
    return this.#sender.send(peer, toBytes(body), options)
  }

  /**
   * Sends consecutive messages to one channel of one peer: cheaper than as many sends. What is over 1 MiB in all goes in parts, one after the
   * other; where it fails on the way, `data.sent` counts the messages that went, or were accepted, and `data.ids` has their IDs.
   */
  sendRun(peer: string, bodies: readonly (Uint8Array | string)[], options: SendOptions = {}): Promise<RunReceipt> {
    return this.#sender.sendRun(peer, bodies.map(toBytes), options)
  }

  /** How far a durable message has come, by its ID. @throws {ParleyError} `NO_SUCH_MESSAGE` */
  async messageState(id: string, options: CallOptions = {}): Promise<MessageStateRange> {
    const [state] = await this.#tracker.states([{ first: id, count: 1 }], options.signal)
    if (state === undefined) throw new ParleyError('NO_SUCH_MESSAGE')
    return state
  }

  /**
   * Takes back a durable message that no session has taken yet, or `count` consecutive ones from `id` on: all of them or none.
   *
   * @throws {ParleyError} `NO_SUCH_MESSAGE` `ALREADY_SENT` `STORE_UNAVAILABLE`
   */
  async cancel(id: string, options: CallOptions & { readonly count?: number | undefined } = {}): Promise<void> {
    const { count, signal } = options
    await this.#link.call('messages.cancel', { id, ...(count !== undefined && { count }) }, signal)
  }

  /** Subscribes at once; the messages come as the app takes them. */
  messages(options: MessagesOptions): MessageStream {
    const { consumer, from, takeover = false, signal } = options
    const acker = consumer === null ? undefined : this.#ackerOf(consumer)
    const stream: MessageStream = new MessageStream(
      { consumer, filter: filterOf(options), from, takeover, signal },
      {
        link: this.#link,
        clock: this.#clock,
        acks: acker ?? LOOK,
        acker,
        onOver: over => this.#streams.delete(over)
      }
    )
    if (!stream.isOver) this.#streams.add(stream)
    return stream
  }

  /**
   * Pulls what is there, without a subscription.
   *
   * One that was given up by its signal goes on in the daemon until its answer, after `waitMs` at the latest. The next one of that consumer
   * waits for it and begins again at the cursor, so that nothing is missed; a subscription finds the consumer busy until then.
   */
  async fetch(options: FetchOptions): Promise<Fetched> {
    const { consumer, from, max, waitMs, signal } = options
    const acks = consumer === null ? LOOK : this.#ackerOf(consumer)
    const params = {
      consumer,
      filter: filterOf(options),
      ...(from !== undefined && { from }),
      ...(max !== undefined && { max }),
      ...(waitMs !== undefined && { waitMs })
    }
    const { runs, next } = await this.#fetcher.fetch(params, signal)
    const { place } = acks
    const messages = runs.flatMap(run => run.bodies.map((_, offset) => new Message({ run, place, acks }, offset)))
    return { messages, next }
  }

  /**
   * Asks the program that serves `name` at a peer, and resolves with its answer. Never kept, and executed at most once: every error has `data.executed`,
   * `'no'` or `'unknown'`. While the daemon is away it fails at once.
   *
   * @throws {ParleyError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` `BLOCKED` `UNTRUSTED` `PEER_OFFLINE` `NOT_ACCEPTED` `NOT_SUPPORTED` `NO_RESPONDER` `DEADLINE`
   * `RESPONDER_GONE` `REQUEST_REFUSED` `TOO_LARGE` `QUEUE_FULL`; the signal's reason
   */
  request(peer: string, name: string, body: Uint8Array | string, options: RequestOptions = {}): Promise<Uint8Array> {
    return this.#asker.request(peer, name, toBytes(body), options)
  }

  /** Answers requests of a name from now on, several at a time. One program of a host serves a name: `RESPONDER_BUSY`, unless it takes over. */
  serve(name: string, handler: RequestHandler, options: ServeOptions = {}): RequestServer {
    const server: RequestServer = new RequestServer(name, handler, options, {
      link: this.#link,
      clock: this.#clock,
      onOver: over => this.#servers.delete(over)
    })
    if (!server.isOver) this.#servers.add(server)
    return server
  }

  /**
   * Finds out with a contact whether both hold the same secret, and lets neither learn anything else of it. Where both sides call it, one answers the
   * other, unless the other asks something else. `disagree`: one side found a match, and the other did not, or never said. Text is
   * compared as UTF-8 in NFC. While the daemon is away it fails at once.
   *
   * @throws {ParleyError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` `BLOCKED` `UNTRUSTED` `PEER_OFFLINE` `NOT_SUPPORTED` `COMPARE_WAITING` (answer that, by
   * `comparisons`) `COMPARE_BUSY` `COMPARE_LOCKED` `COMPARE_REFUSED` `TAMPERED` `TIMED_OUT` `STORE_UNAVAILABLE`; the signal's reason
   */
  compare(peer: string, secret: Uint8Array | string, options: CompareOptions = {}): Promise<CompareVerdict> {
    return this.#comparer.compare(peer, secret, options)
  }

  /** The comparisons that contacts start, to be answered or declined. */
  comparisons(options: CallOptions = {}): ComparisonStream {
    const stream: ComparisonStream = new ComparisonStream(options.signal, {
      link: this.#link,
      comparer: this.#comparer,
      events: own => this.events(own),
      onOver: over => this.#streams.delete(over)
    })
    if (!stream.isOver) this.#streams.add(stream)
    return stream
  }

  /** What happens from now on, or after a cursor. */
  events(options: EventsOptions = {}): EventStream {
    const stream: EventStream = new EventStream(options, {
      link: this.#link,
      onOver: over => this.#streams.delete(over)
    })
    if (!stream.isOver) this.#streams.add(stream)
    return stream
  }

  status(options: CallOptions = {}): Promise<NodeStatus> {
    return this.call('node.status', {}, options)
  }

  health(options: CallOptions = {}): Promise<Health> {
    return this.call('node.health', {}, options)
  }

  identity(options: CallOptions = {}): Promise<IdentityInfo> {
    return this.call('identity.show', {}, options)
  }

  /** Gives the daemon another Themis key, signed by the one that it has. Contacts follow by themselves. */
  rotateIdentity(options: CallOptions = {}): Promise<IdentityInfo> {
    return this.call('identity.rotate', {}, options)
  }

  /** The line to give to a peer, who adds it as a contact. */
  async card(options: CallOptions = {}): Promise<string> {
    const { card } = await this.call('identity.card', {}, options)
    return card
  }

  /** Stops the daemon. The client goes on waiting for one to come back until it is closed. */
  async shutdown(options: CallOptions = {}): Promise<void> {
    await this.call('node.shutdown', {}, options)
  }

  /** Calls a method of the contract. While the daemon is away it fails at once. */
  call<M extends MethodName>(method: M, params: Params<M>, options: CallOptions = {}): Promise<Result<M>> {
    return this.#link.call(method, params, options.signal)
  }

  /** Ends every iterator, waits for sends and acks under way, and closes the connection; what is left over fails with `CLOSED`. */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.drain ?? true)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(drain: boolean): Promise<void> {
    const closed = new ParleyError('CLOSED')
    this.#sender.close(closed)
    const ended: Promise<unknown>[] = [...this.#streams].map(stream => stream.return())
    if (drain) {
      ended.push(...[...this.#servers].map(server => server.close()))
      const late = Promise.withResolvers<void>()
      const timer = this.#clock.timer(DRAIN_MS, late.resolve)
      const acked = [...this.#ackers.values()].map(acker => acker.settled())
      await Promise.race([Promise.all([this.#sender.idle(), ...ended, ...acked]), late.promise])
      timer.cancel()
    }
    this.#link.end(closed)
  }

  #ackerOf(consumer: string): Acker {
    let acker = this.#ackers.get(consumer)
    if (acker === undefined) {
      acker = new Acker(consumer, this.#link, this.#clock)
      this.#ackers.set(consumer, acker)
    }
    return acker
  }
}

/** A look has no cursor that could move. */
const LOOK: Acks = {
  place: '',
  ack: async () => Promise.reject(new ParleyError('NO_SUCH_CONSUMER', 'A look cannot acknowledge.')),
  reject: async () => Promise.reject(new ParleyError('NO_SUCH_CONSUMER', 'A look cannot refuse.'))
}

function filterOf(options: ReadOptions): MessageFilter {
  const { channel, channels, peers } = options
  const all = [...(channel === undefined ? [] : [channel]), ...(channels ?? [])]
  return { ...(all.length > 0 && { channels: all }), ...(peers !== undefined && { peers }) }
}

function toBytes(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}
