import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type {
  Connection,
  Libp2p,
  Listener,
  MultiaddrConnection,
  PrivateKey,
  Stream,
  Transport as StreamTransport,
  Upgrader
} from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import { Admission, type AdmissionOptions, type Arrival } from './admission.ts'
import { parleyNoise, WRONG_NODE_MARK } from './libp2p-noise.ts'
import { Libp2pStream } from './libp2p-stream.ts'
import type { ByteStream, DialRequest, Gate, NodeId, Transport } from './port.ts'

/** Above every limit of ours, so that ours decide. */
const NO_LIMIT = 1_000_000_000
/** How much longer libp2p waits for Noise and for a protocol name than our own deadline. */
const GRACE_MS = 5_000
/** Streams that one peer may have open on one connection: a session, its rekey, a pairing and transfers need far fewer. */
const STREAM_COUNT_MAX = 64
/** Above the longest frame, and enough for 40 MB/s at a round trip of 100 ms. It starts at Yamux's 256 KiB and grows. */
const STREAM_WINDOW_BYTES_MAX = 4 * 1024 * 1024
/** What libp2p holds for a stream before we listen to it. Well above the window, as it resets the stream beyond it. */
const READ_BUFFER_BYTES_MAX = 2 * STREAM_WINDOW_BYTES_MAX
/** Yamux measures the round trip with its first ping, for its window; whether a peer lives is for sessions to find out. */
const YAMUX_PING_INTERVAL_MS = 60 * 60 * 1_000

export interface Libp2pTransportOptions {
  /** The Ed25519 seed of the node's key, 32 bytes. Copied. */
  readonly privateKeySeed: Uint8Array
  /** TCP multiaddrs; port 0 takes a free one. May be empty. */
  readonly listen: readonly string[]
  readonly admission: AdmissionOptions
  readonly clock: Clock
}

/**
 * Makes a transport over TCP with Noise and Yamux. Nothing is bound or dialled before `start`.
 *
 * libp2p is given nothing that acts on its own: no identify, discovery, relay, automatic dialling or connection monitor, and a peer
 * store in memory alone.
 */
export async function createLibp2pTransport(options: Libp2pTransportOptions): Promise<Transport> {
  const privateKey = await generateKeyPairFromSeed('Ed25519', options.privateKeySeed)
  return new Libp2pTransport(privateKey, options)
}

/** The parts of libp2p that its public object hides. A service is given them. */
interface Libp2pParts {
  readonly transportManager: { getTransports(): StreamTransport[] }
  readonly upgrader: Upgrader
}

/** What we know of a connection from its first byte on; libp2p's own object comes later and may never come. */
interface TrackedConnection {
  readonly socket: MultiaddrConnection
  readonly arrival: Arrival | undefined
  readonly streams: Set<Libp2pStream>
  nodeId: NodeId | undefined
  connection: Connection | undefined
}

class Libp2pTransport implements Transport {
  readonly nodeId: NodeId
  readonly #options: Libp2pTransportOptions
  readonly #privateKey: PrivateKey
  readonly #handlers = new Map<string, (stream: ByteStream) => void>()
  readonly #stopping = new AbortController()
  readonly #tracked = new Set<TrackedConnection>()
  /** A connection and the socket below it share this object, and nothing else that is public. */
  readonly #trackedOf = new WeakMap<MultiaddrConnection['timeline'], TrackedConnection>()
  #node: Libp2p | undefined
  #parts: Libp2pParts | undefined
  #admission: Admission | undefined
  #listeners: Listener[] = []
  #listenAddresses: string[] = []

  constructor(privateKey: PrivateKey, options: Libp2pTransportOptions) {
    this.#privateKey = privateKey
    this.#options = options
    this.nodeId = privateKey.publicKey.toString() as NodeId
  }

  async start(gate: Gate): Promise<void> {
    if (this.#admission !== undefined) throw new TypeError('the transport was started before')
    this.#admission = new Admission(this.#options.clock, this.#options.admission, gate)
    this.#node = await this.#createNode()
    await this.#node.start()
    for (const protocol of this.#handlers.keys()) await this.#register(protocol)
    try {
      for (const address of this.#options.listen) this.#listenAddresses.push(await this.#listen(address))
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new DaemonError('STOPPED', 'The transport was stopped.'))
    for (const tracked of [...this.#tracked]) this.#drop(tracked, 'the transport was stopped')
    await Promise.all(this.#listeners.map(listener => listener.close()))
    this.#listeners = []
    this.#admission?.stop()
    await this.#node?.stop()
  }

  listenAddresses(): readonly string[] {
    return [...this.#listenAddresses]
  }

  async handle(protocol: string, onStream: (stream: ByteStream) => void): Promise<void> {
    if (this.#handlers.has(protocol)) throw new TypeError(`${protocol} is handled already`)
    this.#handlers.set(protocol, onStream)
    if (this.#node !== undefined) await this.#register(protocol)
  }

  async unhandle(protocol: string): Promise<void> {
    if (this.#handlers.delete(protocol)) await this.#node?.unhandle(protocol)
  }

  async dial(request: DialRequest): Promise<ByteStream> {
    this.#stopping.signal.throwIfAborted()
    request.signal.throwIfAborted()
    const signal = AbortSignal.any([request.signal, this.#stopping.signal])
    const connection = await this.#connect(request, signal)
    const tracked = this.#trackedOf.get(connection.timeline)
    if (tracked === undefined) throw new Error('libp2p made a connection without asking its gater')
    try {
      const stream = await connection.newStream(request.protocol, { signal, maxOutboundStreams: NO_LIMIT })
      return this.#adopt(tracked, stream, connection)
    } catch (cause) {
      this.#drop(tracked, 'no stream')
      signal.throwIfAborted()
      throw new DaemonError('NOT_ACCEPTED', 'The node hung up before a protocol was agreed.', { cause })
    }
  }

  disconnect(nodeId: NodeId, reason: string): void {
    for (const tracked of [...this.#tracked]) if (tracked.nodeId === nodeId) this.#drop(tracked, reason)
  }

  async #connect(request: DialRequest, signal: AbortSignal): Promise<Connection> {
    const parts = this.#parts
    if (parts === undefined) throw new TypeError('the transport was not started')
    try {
      const { address, nodeId } = request
      const target = multiaddr(nodeId === undefined ? address : `${address}/p2p/${nodeId}`)
      const transport = parts.transportManager.getTransports()[0] as StreamTransport
      if (transport.dialFilter([target]).length === 0) throw new Error(`${request.address} is not a TCP multiaddr`)
      // Not through libp2p's dial queue: it joins dials of one node, even forced ones, into one connection.
      return await transport.dial(target, { signal, upgrader: parts.upgrader })
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof Error && cause.message === WRONG_NODE_MARK) {
        throw new DaemonError('WRONG_NODE', `Another node answers at ${request.address}.`, { cause })
      }
      throw new DaemonError('DIAL_FAILED', `Nothing usable answers at ${request.address}.`, { cause })
    }
  }

  async #createNode(): Promise<Libp2p> {
    const { unprovenDeadlineMs } = this.#options.admission
    return createLibp2p({
      start: false,
      privateKey: this.#privateKey,
      addresses: { listen: [] },
      transports: [tcp({ inboundSocketInactivityTimeout: 0, outboundSocketInactivityTimeout: 0 })],
      connectionEncrypters: [parleyNoise()],
      streamMuxers: [
        yamux({
          keepAliveInterval: YAMUX_PING_INTERVAL_MS,
          maxInboundStreams: STREAM_COUNT_MAX,
          maxOutboundStreams: STREAM_COUNT_MAX,
          streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX, maxReadBufferLength: READ_BUFFER_BYTES_MAX }
        })
      ],
      connectionGater: this.#gater(),
      connectionManager: {
        maxConnections: NO_LIMIT,
        maxIncomingPendingConnections: NO_LIMIT,
        inboundConnectionThreshold: NO_LIMIT,
        inboundUpgradeTimeout: unprovenDeadlineMs + GRACE_MS,
        inboundStreamProtocolNegotiationTimeout: unprovenDeadlineMs,
        reconnectRetries: 0
      },
      connectionMonitor: { enabled: false },
      services: {
        parts: components => {
          this.#parts = components
          return {}
        }
      }
    })
  }

  #gater() {
    return {
      denyInboundConnection: (socket: MultiaddrConnection) => !this.#arrive(socket),
      denyInboundEncryptedConnection: (peer: { toString(): string }, socket: MultiaddrConnection) => {
        const tracked = this.#trackedOf.get(socket.timeline)
        if (tracked?.arrival === undefined) return true
        tracked.nodeId = peer.toString() as NodeId
        return !tracked.arrival.admit(tracked.nodeId)
      },
      denyOutboundConnection: (peer: { toString(): string }, socket: MultiaddrConnection) =>
        !this.#dialled(peer.toString() as NodeId, socket),
      // The first that is heard of a connection that was dialled without a node ID.
      denyOutboundEncryptedConnection: (peer: { toString(): string }, socket: MultiaddrConnection) =>
        !this.#dialled(peer.toString() as NodeId, socket)
    }
  }

  #dialled(nodeId: NodeId, socket: MultiaddrConnection): boolean {
    if (!this.#trackedOf.has(socket.timeline)) {
      this.#track({ socket, arrival: undefined, streams: new Set(), nodeId, connection: undefined })
    }
    return !this.#stopping.signal.aborted
  }

  #arrive(socket: MultiaddrConnection): boolean {
    if (this.#stopping.signal.aborted) return false
    const close = (reason: string) => {
      const tracked = this.#trackedOf.get(socket.timeline)
      if (tracked !== undefined) this.#drop(tracked, reason)
    }
    const arrival = this.#admission?.arrive(socket.remoteAddr.toString(), close)
    if (arrival === undefined) return false
    this.#track({ socket, arrival, streams: new Set(), nodeId: undefined, connection: undefined })
    return true
  }

  #track(tracked: TrackedConnection): void {
    this.#tracked.add(tracked)
    this.#trackedOf.set(tracked.socket.timeline, tracked)
    tracked.socket.addEventListener('close', () => {
      this.#tracked.delete(tracked)
      tracked.arrival?.gone()
    })
  }

  #drop(tracked: TrackedConnection, reason: string): void {
    const error = new Error(reason)
    tracked.connection?.abort(error)
    tracked.socket.abort(error)
  }

  async #register(protocol: string): Promise<void> {
    await this.#node?.handle(
      protocol,
      (stream, connection) => {
        const tracked = this.#trackedOf.get(connection.timeline)
        const onStream = this.#handlers.get(protocol)
        if (tracked === undefined || onStream === undefined) {
          stream.abort(new Error('not handled'))
          return
        }
        const adopted = this.#adopt(tracked, stream, connection)
        // In a turn of its own, since libp2p hides what a handler throws.
        this.#options.clock.endOfTurn(() => onStream(adopted))
      },
      // Forced, since `start` and `handle` may both register a protocol that is asked for while the node starts.
      { maxInboundStreams: STREAM_COUNT_MAX, maxOutboundStreams: NO_LIMIT, force: true }
    )
  }

  #adopt(tracked: TrackedConnection, stream: Stream, connection: Connection): ByteStream {
    tracked.connection = connection
    const adopted = new Libp2pStream({
      clock: this.#options.clock,
      nodeId: connection.remotePeer.toString() as NodeId,
      address: withoutNodeId(connection.remoteAddr),
      stream,
      socket: tracked.socket,
      proven: () => tracked.arrival?.proven(),
      resetting: reason => {
        // Alone on a connection that we opened, nothing that is queued is worth sending.
        if (tracked.arrival === undefined && tracked.streams.size === 1) this.#drop(tracked, reason)
      }
    })
    tracked.streams.add(adopted)
    tracked.arrival?.streams(tracked.streams.size)
    adopted.onOver(() => {
      tracked.streams.delete(adopted)
      tracked.arrival?.streams(tracked.streams.size)
      if (tracked.arrival === undefined && tracked.streams.size === 0) closeGently(connection)
    })
    return adopted
  }

  async #listen(address: string): Promise<string> {
    const parts = this.#parts as Libp2pParts
    try {
      const target = multiaddr(address)
      const transport = parts.transportManager.getTransports()[0] as StreamTransport
      if (transport.listenFilter([target]).length === 0) throw new Error(`${address} is not a TCP multiaddr`)
      // Not through libp2p's transport manager, which keeps the text of an error alone and forgets which address was bound.
      const listener = transport.createListener({ upgrader: parts.upgrader })
      await listener.listen(target)
      this.#listeners.push(listener)
      const port = listener
        .getAddrs()[0]
        ?.getComponents()
        .find(({ name }) => name === 'tcp')?.value
      return address.replace(/\/tcp\/\d+/, `/tcp/${port}`)
    } catch (cause) {
      const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
      throw new DaemonError(isTaken ? 'ADDRESS_IN_USE' : 'LISTEN_FAILED', `Cannot listen on ${address}.`, {
        cause,
        data: { address }
      })
    }
  }
}

function withoutNodeId(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '')
}

/** Lets what is queued go out, for at most libp2p's second, and closes the connection. */
function closeGently(connection: Connection): void {
  connection.close().catch((error: Error) => connection.abort(error))
}
