/** Where a daemon is: a libp2p peer ID in its usual text form. Called node ID everywhere in Parley. */
export type NodeId = string & { readonly nodeId: unique symbol }

/** Why a stream is over. `reset` covers a lost connection, a peer's reset and our own. */
export interface StreamEnd {
  readonly kind: 'closed' | 'reset'
  /** In words, for a log; never shown to the peer. */
  readonly reason: string
}

/** What a stream tells its one reader. Calls come one at a time, never from inside a call to the stream. */
export interface StreamReader {
  /** Bytes as they came, in chunks of any size. The reader owns `chunk`. */
  data(chunk: Uint8Array): void
  /** What was unsent has fallen below the mark; writing may go on. */
  drained(): void
  /** The peer will send no more; writing may go on. */
  ended(): void
  /** Both directions are over. The last call. */
  closed(end: StreamEnd): void
}

/** One open stream to an authenticated node. */
export interface ByteStream {
  /** The remote node ID, as Noise reported it on this very connection. */
  readonly nodeId: NodeId
  /** The remote address as a multiaddr. */
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  /** Bytes handed to `write` that have not left this process. */
  readonly unsentBytes: number
  /** Gives the stream its reader; what came before is kept, within the transport's own bound, and handed over in a later turn. */
  read(reader: StreamReader): void
  /**
   * Sends `parts` in order as one write. The stream takes ownership of them. Returns false once the caller should wait for
   * `drained`; the bytes are taken all the same. On a stream that is over it does nothing and returns false.
   */
  write(parts: readonly Uint8Array[]): boolean
  /** Marks the connection as that of a proven peer: it no longer counts against the budget of strangers, nor against their deadline. */
  proven(): void
  /** Sends what is queued, then ends our direction. Reading goes on. Once both directions have ended, the stream is closed. */
  end(): void
  /** Drops everything at once. */
  reset(reason: string): void
}

/** Who may connect. Asked by the transport for each inbound connection; must answer at once. */
export interface Gate {
  /** After Noise, before any stream: is this node ID one that we talk to? `pairing` lets in one of the few places for strangers who come to pair. */
  admitsNode(nodeId: NodeId): boolean | 'pairing'
  /** A connection that was closed by the gate or by a budget: for counters and the list of refused strangers. */
  refused(refusal: Refusal): void
}

export interface Refusal {
  readonly reason: 'stranger' | 'address-rate' | 'node-rate' | 'unproven-limit' | 'unproven-deadline'
  /** Absent where Noise had not yet run. */
  readonly nodeId?: NodeId
  readonly address: string
}

export interface DialRequest {
  /** Absent: whoever answers. For pairing alone, which finds out by its secret who that is. */
  readonly nodeId?: NodeId
  /** A TCP multiaddr without `/p2p/`. */
  readonly address: string
  readonly protocol: string
  readonly signal: AbortSignal
}

/**
 * Streams between daemons. Implemented by `libp2p.ts` (TCP, Noise, Yamux) and by `memory.ts` (an in-process network);
 * `daemon/test/transport/contract.ts` holds both to this.
 *
 * Each dial makes a connection of its own, which the transport closes once no stream is left on it.
 */
export interface Transport {
  readonly nodeId: NodeId
  /** Binds the listen addresses and starts to admit connections. */
  start(gate: Gate): Promise<void>
  /** Resets every stream and closes every connection and listener. */
  stop(): Promise<void>
  /** Multiaddrs that are bound, ports filled in, without `/p2p/`; wildcards are not expanded. */
  listenAddresses(): readonly string[]
  /** Answers `protocol` with `onStream`, until `unhandle`. */
  handle(protocol: string, onStream: (stream: ByteStream) => void): Promise<void>
  unhandle(protocol: string): Promise<void>
  /**
   * Opens a connection to `address`, checks that `nodeId`, where it is given, answers there, and opens a stream on it.
   *
   * @throws {DaemonError} `DIAL_FAILED` nothing answered, or it did in no usable way; `WRONG_NODE` another node ID answered;
   * `NOT_ACCEPTED` the right node answered and closed before the protocol was agreed; the signal's reason when aborted
   */
  dial(request: DialRequest): Promise<ByteStream>
  /** Closes every connection with `nodeId`, for a contact that was blocked or removed. */
  disconnect(nodeId: NodeId, reason: string): void
}
