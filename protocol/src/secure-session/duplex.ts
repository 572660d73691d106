import { ProtocolError } from '../errors.ts'
import { type AnyIterator, iteratorOf, leave, orAborted, untilAborted } from './abort.ts'
import { SessionDriver, type SessionDriverOptions } from './driver.ts'
import type { Framing } from './framing.ts'

/** Bytes, or a list of them that can be had as one, such as `Uint8ArrayList`. */
export type Chunk = Uint8Array | { subarray(): Uint8Array }

/** What a direction is read from. */
export type ChunkSource = AsyncIterable<Chunk> | Iterable<Chunk>

/** Both directions of a stream, as it-pipe and libp2p have them. */
export interface ChunkDuplex {
  readonly source: ChunkSource
  readonly sink: (source: AsyncIterable<Uint8Array>) => unknown
}

export interface SecureSessionPipeOptions extends SessionDriverOptions {
  /** How messages are told apart on the stream; without it each chunk is one message, and the stream must keep chunks. */
  readonly framing?: Framing
  /**
   * What the session does with its own direction when it is laid over a stream, for a pipe that ends in the program: it writes
   * `messages` to `stream`, as `stream.sink(session.outgoing(messages))` would.
   */
  readonly outgoing?: { readonly messages: ChunkSource; readonly stream: Pick<ChunkDuplex, 'sink'> }
}

/**
 * A Secure Session between a stream and a program, as two transforms.
 *
 * The session itself turns what comes from the stream into the peer's messages; `outgoing` turns the program's messages
 * into what goes to the stream. Both must be read: the handshake goes through `outgoing`.
 *
 *     const session = secureSession({ ... })
 *     await pipe(stream, session, app, session.outgoing, stream)
 *
 * A program that is a duplex itself can end the pipe, if the session was told where its own direction goes:
 *
 *     await pipe(stream, secureSession({ ..., outgoing: { messages: app.source, stream } }), app)
 *
 * One message is under way in each direction: nothing is read from the stream before the program has asked for it, nor
 * from the program before the stream has. Whatever is refused ends both directions with that error, since on a stream
 * nothing genuine can follow; so does a stream that ends before the session is established. That a stream ended
 * afterwards is not authenticated: a program that must know has to say so in its last message. An empty message cannot be
 * sent, and ends both directions (`RangeError`).
 */
export interface SecureSessionPipe extends Disposable {
  (stream: ChunkSource): AsyncGenerator<Uint8Array, void, undefined>
  readonly outgoing: (messages: ChunkSource) => AsyncGenerator<Uint8Array, void, undefined>
  /** Resolves to the peer's ID, `undefined` in a loaded session, when data can go both ways; rejects when that will not be. */
  readonly established: Promise<Uint8Array | undefined>
  /**
   * Resolves when the messages of the option `outgoing` have all gone; rejects when they will not, which ends the other
   * direction too unless that has ended. Without the option it never resolves.
   */
  readonly sent: Promise<void>
  /** Lays the session over a stream: a duplex of messages. */
  readonly over: (stream: ChunkDuplex) => SecureDuplex
  /** Ends both directions with `reason` and overwrites the secrets. May be called again. */
  readonly close: (reason?: unknown) => void
}

/** Both directions of a session: the peer's messages, and what takes messages for the peer. */
export interface SecureDuplex {
  readonly source: AsyncGenerator<Uint8Array, void, undefined>
  readonly sink: (messages: ChunkSource) => Promise<void>
}

/**
 * Makes a session to lay between a stream and a program. It begins when it is read.
 *
 * @throws {RangeError} for a limit out of range
 */
export function secureSession(options: SecureSessionPipeOptions): SecureSessionPipe {
  const driven = new PipedSession(options)
  const incoming = (stream: ChunkSource) => {
    const messages = driven.incoming(stream)
    if (options.outgoing !== undefined) driven.write(options.outgoing)
    return messages
  }
  const outgoing = (messages: ChunkSource) => driven.outgoing(messages)
  const close = (reason: unknown = new ProtocolError('INVALID_STATE', 'the session was closed')) => driven.close(reason)
  const over = (stream: ChunkDuplex): SecureDuplex => ({
    source: incoming(stream.source),
    async sink(messages) {
      await stream.sink(outgoing(messages))
    }
  })
  const { established, sent } = driven
  return Object.assign(incoming, { outgoing, established, sent, over, close, [Symbol.dispose]: () => close() })
}

class PipedSession {
  readonly established: Promise<Uint8Array | undefined>
  readonly sent: Promise<void>
  readonly #driver: SessionDriver
  readonly #framing: Framing | undefined
  readonly #stream = Promise.withResolvers<AsyncIterator<Uint8Array>>()
  readonly #established = Promise.withResolvers<Uint8Array | undefined>()
  readonly #sent = Promise.withResolvers<void>()
  #directions = 2
  #read: AnyIterator<Chunk> | undefined
  #written: AnyIterator<Chunk> | undefined

  constructor(options: SecureSessionPipeOptions) {
    this.#driver = new SessionDriver(options)
    this.#framing = options.framing
    this.established = this.#established.promise
    this.sent = this.#sent.promise
    // Those who wait for them are told; where nobody waits, both directions tell.
    for (const told of [this.established, this.sent]) told.catch(() => undefined)
    const { signal } = this.#driver
    if (signal.aborted) this.#end()
    else signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  incoming(stream: ChunkSource): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#read !== undefined) throw new ProtocolError('INVALID_STATE', 'the session reads a stream already')
    this.#read = iteratorOf(stream)
    const chunks = plainChunks(untilAborted(this.#read, this.#driver.signal))
    const messages = this.#framing?.decode(chunks, () => this.#driver.incomingBytesMax) ?? chunks
    const iterator = messages[Symbol.asyncIterator]()
    this.#stream.resolve(iterator)
    return this.#direction(this.#receive(iterator), this.#read)
  }

  outgoing(messages: ChunkSource): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#written !== undefined) throw new ProtocolError('INVALID_STATE', 'the session writes a stream already')
    this.#written = iteratorOf(messages)
    return this.#direction(this.#send(this.#written), this.#written)
  }

  /** Writes one direction to the end. */
  write({ messages, stream }: NonNullable<SecureSessionPipeOptions['outgoing']>): void {
    const written = async (): Promise<void> => {
      await stream.sink(this.outgoing(messages))
    }
    this.#sent.resolve(written())
    this.sent.catch(error => this.close(error))
  }

  close(reason: unknown): void {
    this.#driver.close(reason)
  }

  #end(): void {
    this.#established.reject(this.#driver.signal.reason)
    if (this.#written === undefined) this.#sent.reject(this.#driver.signal.reason)
    leave(this.#read)
    leave(this.#written)
  }

  /** Runs one direction: its failure is that of the other, and the session is over when both are. */
  async *#direction(
    messages: AsyncGenerator<Uint8Array>,
    source: AnyIterator<Chunk>
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* messages
    } catch (error) {
      this.close(error)
      throw error
    } finally {
      leave(source)
      this.#directions--
      if (this.#directions === 0) this.close(new ProtocolError('INVALID_STATE', 'the session is over'))
      else if (!this.#driver.session.established) this.close(endedEarly())
    }
  }

  async *#receive(iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
    await this.established
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      yield this.#driver.unwrap(next.value)
    }
  }

  async *#send(messages: AnyIterator<Chunk>): AsyncGenerator<Uint8Array> {
    const encode = (bytes: Uint8Array): Uint8Array => this.#framing?.encode(bytes) ?? bytes
    for await (const bytes of this.#negotiate()) yield encode(bytes)
    for await (const message of plainChunks(untilAborted(messages, this.#driver.signal))) {
      yield encode(this.#driver.wrap(message))
    }
  }

  /** The handshake, as the messages to send. It reads the stream itself, until the session is established. */
  async *#negotiate(): AsyncGenerator<Uint8Array> {
    const { session } = this.#driver
    if (session.role === 'client' && !session.established) yield this.#driver.connectRequest()
    while (!session.established) {
      const stream = await orAborted(this.#stream.promise, this.#driver.signal)
      const next = await stream.next()
      if (next.done === true) throw endedEarly()
      const reply = await this.#driver.negotiate(next.value)
      if (reply !== undefined) yield reply
    }
    this.#driver.tellEstablished()
    this.#established.resolve(session.remoteId)
  }
}

function endedEarly(): ProtocolError {
  return new ProtocolError('TRANSPORT_FAILED', 'the stream ended during the handshake')
}

async function* plainChunks(source: AsyncIterable<Chunk>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield chunk instanceof Uint8Array ? chunk : chunk.subarray()
}
