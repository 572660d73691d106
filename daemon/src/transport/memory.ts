import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { RandomBytes } from '../random.ts'
import { Admission, type AdmissionOptions, type Arrival } from './admission.ts'
import { type CutOptions, type LinkCounters, type MemoryConnection, type MemoryEnd, MemoryLink } from './memory-link.ts'
import { MemoryStream } from './memory-stream.ts'
import type { ByteStream, DialRequest, Gate, NodeId, Transport } from './port.ts'

/** No TCP stack hands over more at a time. */
const CHUNK_BYTES_MAX = 64 * 1024
/** Where free ports start, of listeners and of diallers. */
const LISTEN_PORT_FIRST = 40_000
const DIAL_PORT_FIRST = 50_000
const LATENCY_MS = 1

export interface MemoryNetworkOptions {
  readonly clock: Clock
  /** Decides where writes are cut into chunks. Without it they are cut only where they are over 64 KiB. */
  readonly random?: RandomBytes
  /** One way, in milliseconds; 1 without it. */
  readonly latencyMs?: number
}

export interface MemoryTransportOptions {
  readonly nodeId: NodeId
  /** Multiaddrs such as `/ip4/127.0.0.1/tcp/0`. They exist in this network only; port 0 takes a free one. */
  readonly listen: readonly string[]
  readonly admission: AdmissionOptions
}

/**
 * A network within one process, for simulations: the same port, budgets and gates as libp2p has, no crypto, and links that can be
 * cut. With a virtual clock and a seeded `random` every run is the same.
 */
export class MemoryNetwork {
  readonly #clock: Clock
  readonly #random: RandomBytes | undefined
  readonly #latencyMs: number
  readonly #links = new Map<string, MemoryLink>()
  readonly #listening = new Map<string, MemoryTransport>()
  /** Who was last seen at an address; a cut holds for it also while nothing listens there. */
  readonly #owners = new Map<string, NodeId>()
  #nextListenPort = LISTEN_PORT_FIRST
  #nextDialPort = DIAL_PORT_FIRST

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#latencyMs = options.latencyMs ?? LATENCY_MS
  }

  transport(options: MemoryTransportOptions): Transport {
    return new MemoryTransport(this, this.#clock, options)
  }

  /** Cuts the link between two nodes, whoever dialled, until `heal`. Loud: all is reset at once. Silent: bytes are swallowed. */
  cut(a: NodeId, b: NodeId, options: CutOptions = {}): void {
    this.link(a, b).cut(options)
  }

  /** Mends one link, or all of them. Connections that lost bytes are reset; those that did not go on. */
  heal(a?: NodeId, b?: NodeId): void {
    if (a !== undefined && b !== undefined) this.link(a, b).heal()
    else for (const link of this.#links.values()) link.heal()
  }

  /** Sets how long a byte travels between two nodes, one way, from now on. */
  delay(a: NodeId, b: NodeId, latencyMs: number): void {
    this.link(a, b).latencyMs = latencyMs
  }

  /** What `from` sent towards `to` so far. */
  counters(from: NodeId, to: NodeId): LinkCounters {
    return { ...this.link(from, to).counters(from) }
  }

  /** @internal */
  link(a: NodeId, b: NodeId): MemoryLink {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new MemoryLink(this.#clock, this.#latencyMs)
      this.#links.set(key, link)
    }
    return link
  }

  /** @internal Every connection of a node. */
  connectionsOf(nodeId: NodeId): MemoryConnection[] {
    return [...this.#links.values()]
      .flatMap(link => link.connections)
      .filter(({ dialler, listener }) => dialler.nodeId === nodeId || listener.nodeId === nodeId)
  }

  /** @internal Returns the address that was bound. */
  bind(address: string, transport: MemoryTransport): string {
    const { host, port } = parseAddress(address, 'LISTEN_FAILED')
    const bound = `/ip4/${host}/tcp/${port === 0 ? this.#nextListenPort++ : port}`
    if (this.#listening.has(bound)) {
      throw new DaemonError('ADDRESS_IN_USE', `${address} is taken.`, { data: { address } })
    }
    this.#listening.set(bound, transport)
    this.#owners.set(bound, transport.nodeId)
    return bound
  }

  /** @internal */
  unbind(bound: string): void {
    this.#listening.delete(bound)
  }

  /** @internal */
  listener(address: string): MemoryTransport | undefined {
    return this.#listening.get(address) ?? this.#listening.get(onEveryInterface(address))
  }

  /** @internal */
  ownerOf(address: string): NodeId | undefined {
    return this.#owners.get(address) ?? this.#owners.get(onEveryInterface(address))
  }

  /** @internal An address for a dialler on the host of `listen`. */
  dialAddress(listen: string | undefined): string {
    const host = listen === undefined ? '0.0.0.0' : parseAddress(listen, 'LISTEN_FAILED').host
    return `/ip4/${host === '0.0.0.0' ? '127.0.0.1' : host}/tcp/${this.#nextDialPort++}`
  }

  /** @internal */
  chunkBytes(lengthBytes: number): number {
    const most = Math.min(lengthBytes, CHUNK_BYTES_MAX)
    if (this.#random === undefined) return most
    const [low = 0, middle = 0, high = 0] = this.#random(3)
    return 1 + ((low | (middle << 8) | (high << 16)) % most)
  }
}

class MemoryTransport implements Transport {
  readonly nodeId: NodeId
  readonly #network: MemoryNetwork
  readonly #clock: Clock
  readonly #options: MemoryTransportOptions
  readonly #handlers = new Map<string, (stream: ByteStream) => void>()
  readonly #stopping = new AbortController()
  #admission: Admission | undefined
  #listenAddresses: string[] = []

  constructor(network: MemoryNetwork, clock: Clock, options: MemoryTransportOptions) {
    this.#network = network
    this.#clock = clock
    this.#options = options
    this.nodeId = options.nodeId
  }

  async start(gate: Gate): Promise<void> {
    if (this.#admission !== undefined) throw new TypeError('the transport was started before')
    this.#admission = new Admission(this.#clock, this.#options.admission, gate)
    try {
      for (const address of this.#options.listen) this.#listenAddresses.push(this.#network.bind(address, this))
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    // Another one of the same host may be there by now.
    if (this.#stopping.signal.aborted) return
    for (const address of this.#listenAddresses) this.#network.unbind(address)
    this.#stopping.abort(new DaemonError('STOPPED', 'The transport was stopped.'))
    for (const connection of this.#network.connectionsOf(this.nodeId))
      this.#drop(connection, 'the transport was stopped')
    this.#admission?.stop()
  }

  listenAddresses(): readonly string[] {
    return [...this.#listenAddresses]
  }

  async handle(protocol: string, onStream: (stream: ByteStream) => void): Promise<void> {
    if (this.#handlers.has(protocol)) throw new TypeError(`${protocol} is handled already`)
    this.#handlers.set(protocol, onStream)
  }

  async unhandle(protocol: string): Promise<void> {
    this.#handlers.delete(protocol)
  }

  disconnect(nodeId: NodeId, reason: string): void {
    for (const connection of this.#network.connectionsOf(this.nodeId)) {
      const { dialler, listener } = connection
      if ((dialler.nodeId === this.nodeId ? listener : dialler).nodeId === nodeId) this.#drop(connection, reason)
    }
  }

  async dial(request: DialRequest): Promise<ByteStream> {
    this.#stopping.signal.throwIfAborted()
    if (this.#admission === undefined) throw new TypeError('the transport was not started')
    request.signal.throwIfAborted()
    parseAddress(request.address, 'DIAL_FAILED')
    const signal = AbortSignal.any([request.signal, this.#stopping.signal])
    const owner = this.#network.ownerOf(request.address)
    if (owner === this.nodeId) throw new DaemonError('DIAL_FAILED', 'That is this node itself.')
    const remote = owner ?? request.nodeId
    if (remote === undefined) throw new DaemonError('DIAL_FAILED', `Nothing answers at ${request.address}.`)
    const link = this.#network.link(this.nodeId, remote)
    link.counters(this.nodeId).dialCount += 1
    const connection = link.connect(this.nodeId, remote)
    try {
      return await new Promise<ByteStream>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        if (link.state === 'cut') connection.lose('the link is cut')
        this.#shakeHands(request, connection, resolve, reject)
      })
    } catch (error) {
      connection.leave(connection.dialler, 'the dial was given up')
      throw error
    }
  }

  /** TCP, Noise and the choice of a protocol, each a message or two, in the order in which libp2p does them. */
  #shakeHands(
    request: DialRequest,
    connection: MemoryConnection,
    resolve: (stream: ByteStream) => void,
    reject: (error: DaemonError) => void
  ): void {
    const { dialler, listener } = connection
    const { address, nodeId, protocol } = request
    dialler.onLost = () => reject(new DaemonError('DIAL_FAILED', `Nothing usable answers at ${address}.`))
    connection.send(dialler, 0, () => {
      const target = this.#network.listener(address)
      const from = this.#network.dialAddress(this.#options.listen[0])
      const arrival = target?.arrive(connection, from)
      if (target === undefined || arrival === undefined) {
        connection.leave(listener, 'connection refused')
        return
      }
      connection.send(listener, 0, () => {
        if (nodeId !== undefined && target.nodeId !== nodeId) {
          reject(new DaemonError('WRONG_NODE', `Another node answers at ${address}.`))
          return
        }
        dialler.onLost = () => {
          reject(new DaemonError('NOT_ACCEPTED', 'The node hung up before a protocol was agreed.'))
        }
        connection.send(dialler, 0, () => {
          let outbound: MemoryStream | undefined
          const inbound = target.accept(connection, arrival, this.nodeId, from, protocol, () => outbound)
          if (inbound === undefined) return
          connection.send(listener, 0, () => {
            outbound = this.#stream(connection, dialler, target.nodeId, address, 'outbound', () => inbound, undefined)
            resolve(outbound)
          })
          target.#handlers.get(protocol)?.(inbound)
        })
      })
    })
  }

  /** @internal Another node's connection came in. */
  arrive(connection: MemoryConnection, from: string): Arrival | undefined {
    const { listener } = connection
    const arrival = this.#admission?.arrive(from, reason => {
      connection.leave(listener, 'closed by the peer')
      listener.onLost(reason)
    })
    listener.onLost = () => arrival?.gone()
    return arrival
  }

  /** @internal Lets a connection in after Noise, or closes it, always in the same way. */
  accept(
    connection: MemoryConnection,
    arrival: Arrival,
    nodeId: NodeId,
    from: string,
    protocol: string,
    peer: () => MemoryStream | undefined
  ): MemoryStream | undefined {
    if (!arrival.admit(nodeId) || !this.#handlers.has(protocol)) {
      arrival.gone()
      connection.leave(connection.listener, 'closed by the peer')
      return undefined
    }
    arrival.streams(1)
    return this.#stream(connection, connection.listener, nodeId, from, 'inbound', peer, arrival)
  }

  #stream(
    connection: MemoryConnection,
    end: MemoryEnd,
    nodeId: NodeId,
    address: string,
    direction: 'inbound' | 'outbound',
    peer: () => MemoryStream | undefined,
    arrival: Arrival | undefined
  ): MemoryStream {
    const stream = new MemoryStream({
      clock: this.#clock,
      nodeId,
      address,
      direction,
      chunkBytes: lengthBytes => this.#network.chunkBytes(lengthBytes),
      send: (lengthBytes, arrive) =>
        connection.send(end, lengthBytes, () => {
          const other = peer()
          if (other !== undefined) arrive(other)
        }),
      proven: () => arrival?.proven(),
      over: reason => {
        arrival?.gone()
        connection.leave(end, reason)
      }
    })
    end.onLost = reason => stream.lost(reason)
    return stream
  }

  #drop(connection: MemoryConnection, reason: string): void {
    const { dialler, listener } = connection
    const own = dialler.nodeId === this.nodeId ? dialler : listener
    if (own.isOver) return
    connection.leave(own, 'closed by the peer')
    own.onLost(reason)
  }
}

function onEveryInterface(address: string): string {
  return address.replace(/^\/ip4\/[^/]+/, '/ip4/0.0.0.0')
}

function parseAddress(address: string, code: 'DIAL_FAILED' | 'LISTEN_FAILED'): { host: string; port: number } {
  const match = /^\/ip4\/([\d.]+)\/tcp\/(\d{1,5})$/.exec(address)
  if (match === null) throw new DaemonError(code, `${address} is not a TCP multiaddr of a memory network.`)
  return { host: match[1] as string, port: Number(match[2]) }
}
