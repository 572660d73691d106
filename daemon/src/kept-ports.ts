import { z } from 'zod'
import { DaemonError } from './errors.ts'
import type { Log } from './observe/log-port.ts'
import type { Store } from './store/port.ts'
import type { Sealer } from './store/sealer.ts'
import type { ByteStream, DialRequest, Gate, NodeId, Transport } from './transport/port.ts'

export interface KeptPortsOptions {
  readonly nodeId: NodeId
  /** As configured: TCP multiaddrs, port 0 for any free one. */
  readonly listen: readonly string[]
  /** Whether `listen` is the default, whose port gives way to a free one where it is taken. */
  readonly isDefault: boolean
  /** Remembers the ports, in `meta`. Must be open when the transport starts. */
  readonly store: Store
  /** Of `store`. */
  readonly sealer: Sealer
  readonly log: Log
  /** Makes the transport that is to listen on these addresses. It is started at most once. */
  readonly create: (listen: readonly string[]) => Promise<Transport>
}

/** Where in `meta` the ports lie. */
export const KEPT_PORTS_KEY: Uint8Array = new TextEncoder().encode('listen-ports')
const PORT = /\/tcp\/(\d+)$/

/** Asked address to kept port. */
const keptSchema = z.record(z.string(), z.int().min(1).max(65_535))

/**
 * A transport whose free ports stay the same from start to start, so that cards stay true.
 *
 * Port 0 means a free port, chosen once and kept; so does the default port where it is taken. A kept port that is taken by another
 * program gives way to a new one, which is logged, for a daemon that runs beats a card that is true.
 */
export class KeptPortsTransport implements Transport {
  readonly nodeId: NodeId
  readonly #options: KeptPortsOptions
  readonly #handlers = new Map<string, (stream: ByteStream) => void>()
  #transport: Transport | undefined

  constructor(options: KeptPortsOptions) {
    this.nodeId = options.nodeId
    this.#options = options
  }

  async start(gate: Gate): Promise<void> {
    const kept = this.#load()
    let listen = this.#options.listen.map(asked => {
      const port = kept[asked]
      return port === undefined ? asked : withPort(asked, port)
    })
    for (;;) {
      try {
        this.#transport = await this.#startOn(listen, gate)
        break
      } catch (error) {
        const freed = this.#freed(listen, error)
        if (freed === undefined) throw error
        listen = freed
      }
    }
    await this.#keep(kept)
  }

  async stop(): Promise<void> {
    await this.#transport?.stop()
  }

  listenAddresses(): readonly string[] {
    return this.#transport?.listenAddresses() ?? []
  }

  async handle(protocol: string, onStream: (stream: ByteStream) => void): Promise<void> {
    this.#handlers.set(protocol, onStream)
    await this.#transport?.handle(protocol, onStream)
  }

  async unhandle(protocol: string): Promise<void> {
    this.#handlers.delete(protocol)
    await this.#transport?.unhandle(protocol)
  }

  async dial(request: DialRequest): Promise<ByteStream> {
    if (this.#transport === undefined) throw new TypeError('the transport was not started')
    return this.#transport.dial(request)
  }

  disconnect(nodeId: NodeId, reason: string): void {
    this.#transport?.disconnect(nodeId, reason)
  }

  async #startOn(listen: readonly string[], gate: Gate): Promise<Transport> {
    const transport = await this.#options.create(listen)
    for (const [protocol, onStream] of this.#handlers) await transport.handle(protocol, onStream)
    await transport.start(gate)
    return transport
  }

  /** The addresses with port 0 in place of the taken one, or undefined where that port was asked for by name. */
  #freed(listen: readonly string[], error: unknown): string[] | undefined {
    if (!(error instanceof DaemonError) || error.code !== 'ADDRESS_IN_USE') return undefined
    const at = listen.indexOf(String(error.data['address']))
    const asked = this.#options.listen[at]
    if (asked === undefined || PORT.exec(listen[at] ?? '')?.[1] === '0') return undefined
    if (!this.#options.isDefault && PORT.exec(asked)?.[1] !== '0') return undefined
    this.#options.log.warn({ address: listen[at] }, 'the port is taken: taking a free one, which is kept from now on')
    return listen.with(at, withPort(asked, 0))
  }

  #load(): Record<string, number> {
    const { store, sealer } = this.#options
    const sealed = store.get('meta', KEPT_PORTS_KEY)
    if (sealed === undefined) return {}
    const bytes = sealer.open('meta', KEPT_PORTS_KEY, sealed)
    try {
      return keptSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
    } catch (cause) {
      throw new DaemonError('RECORD_DAMAGED', 'The record of the listen ports does not decode.', { cause })
    }
  }

  async #keep(before: Record<string, number>): Promise<void> {
    const kept = { ...before }
    for (const [at, asked] of this.#options.listen.entries()) {
      const port = Number(PORT.exec(this.listenAddresses()[at] ?? '')?.[1])
      if (asked !== withPort(asked, port)) kept[asked] = port
    }
    if (JSON.stringify(kept) === JSON.stringify(before)) return
    const { store, sealer } = this.#options
    const value = sealer.seal('meta', KEPT_PORTS_KEY, new TextEncoder().encode(JSON.stringify(kept)))
    await store.batch([{ type: 'put', sublevel: 'meta', key: KEPT_PORTS_KEY, value }], { sync: true })
  }
}

function withPort(address: string, port: number): string {
  return address.replace(PORT, `/tcp/${port}`)
}
