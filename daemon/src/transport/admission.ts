import type { Clock, Timer } from '../actor/clock.ts'
import type { Gate, NodeId, Refusal } from './port.ts'

/** What strangers may cost. Limits are positive integers. */
export interface AdmissionOptions {
  /** Inbound connections whose peer is not proven yet, those in the middle of Noise among them. */
  readonly unprovenCountMax: number
  /** Inbound connections from one IPv4 address or one IPv6 /64, counted before Noise. */
  readonly connectionsPerSecondPerAddress: number
  /** Inbound connections from one admitted node ID, counted after Noise: bounds a contact that has many addresses. */
  readonly connectionsPerSecondPerNode: number
  /** How long an inbound connection may stay unproven, and how long a proven one may stay without a stream. */
  readonly unprovenDeadlineMs: number
}

/** Connections of strangers who come to pair. They count as unproven besides. */
export const PAIRING_CONNECTION_COUNT_MAX = 8
/** How long such a connection may last: a run of pairing has 15 s, and what comes before and after it takes a moment. */
const PAIRING_DEADLINE_MS = 20_000
/** Sources remembered by one rate limit. Beyond it the one seen longest ago is forgotten; `unprovenCountMax` holds all the same. */
const SOURCE_COUNT_MAX = 4_096

/** One inbound connection, from the moment it was accepted. */
export interface Arrival {
  /** After Noise: whether it may go on. When not, the refusal is reported and the caller closes the connection. */
  admit(nodeId: NodeId): boolean
  /** The peer has proven itself. */
  proven(): void
  /** How many streams it carries now. */
  streams(count: number): void
  /** It is closed. Any number of times. */
  gone(): void
}

/** The budgets of strangers: who may connect how often, how many at a time and for how long without proving who they are. */
export class Admission {
  readonly #clock: Clock
  readonly #options: AdmissionOptions
  readonly #gate: Gate
  readonly #addresses: RateLimit
  readonly #nodes: RateLimit
  readonly #arrivals = new Set<InboundArrival>()
  #unprovenCount = 0
  #pairingCount = 0

  constructor(clock: Clock, options: AdmissionOptions, gate: Gate) {
    this.#clock = clock
    this.#options = options
    this.#gate = gate
    this.#addresses = new RateLimit(clock, options.connectionsPerSecondPerAddress)
    this.#nodes = new RateLimit(clock, options.connectionsPerSecondPerNode)
  }

  get unprovenCount(): number {
    return this.#unprovenCount
  }

  /**
   * Takes an inbound connection before anything is read from it, or refuses it, reports that and returns nothing.
   *
   * @param address - the remote multiaddr
   * @param close - closes the connection at once; called when a deadline passes, never from inside this call
   */
  arrive(address: string, close: (reason: string) => void): Arrival | undefined {
    const refusal = this.#refusalOf(address)
    if (refusal !== undefined) {
      this.#gate.refused({ reason: refusal, address })
      return undefined
    }
    this.#unprovenCount += 1
    const arrival: InboundArrival = new InboundArrival(this.#clock, this.#options.unprovenDeadlineMs, {
      admit: nodeId => this.#admit(nodeId, address),
      settled: () => {
        this.#unprovenCount -= 1
      },
      gone: isPairing => {
        if (isPairing) this.#pairingCount -= 1
        this.#arrivals.delete(arrival)
      },
      late: nodeId => {
        this.#gate.refused({ reason: 'unproven-deadline', address, ...(nodeId === undefined ? {} : { nodeId }) })
        close('not proven in time')
      },
      idle: () => close('no stream')
    })
    this.#arrivals.add(arrival)
    return arrival
  }

  /** Cancels every deadline. */
  stop(): void {
    for (const arrival of [...this.#arrivals]) arrival.gone()
  }

  #refusalOf(address: string): Refusal['reason'] | undefined {
    if (!this.#addresses.take(addressSource(address))) return 'address-rate'
    if (this.#unprovenCount >= this.#options.unprovenCountMax) return 'unproven-limit'
    return undefined
  }

  #admit(nodeId: NodeId, address: string): boolean | 'pairing' {
    let reason: Refusal['reason'] | undefined
    const verdict = this.#gate.admitsNode(nodeId)
    const isFull = verdict === 'pairing' && this.#pairingCount >= PAIRING_CONNECTION_COUNT_MAX
    if (verdict === false || isFull) reason = 'stranger'
    else if (!this.#nodes.take(nodeId)) reason = 'node-rate'
    if (reason === undefined) {
      if (verdict === 'pairing') this.#pairingCount += 1
      return verdict
    }
    this.#gate.refused({ reason, nodeId, address })
    return false
  }
}

interface ArrivalEvents {
  admit(nodeId: NodeId): boolean | 'pairing'
  /** It stopped to count as unproven. */
  settled(): void
  gone(isPairing: boolean): void
  late(nodeId: NodeId | undefined): void
  idle(): void
}

class InboundArrival implements Arrival {
  readonly #clock: Clock
  readonly #deadlineMs: number
  readonly #events: ArrivalEvents
  #nodeId: NodeId | undefined
  #state: 'unproven' | 'proven' | 'gone' = 'unproven'
  #streamCount = 0
  #isPairing = false
  #timer: Timer | undefined

  constructor(clock: Clock, deadlineMs: number, events: ArrivalEvents) {
    this.#clock = clock
    this.#deadlineMs = deadlineMs
    this.#events = events
    this.#timer = clock.timer(deadlineMs, () => events.late(this.#nodeId))
  }

  admit(nodeId: NodeId): boolean {
    this.#nodeId = nodeId
    const verdict = this.#events.admit(nodeId)
    if (verdict === 'pairing' && this.#state === 'unproven') {
      this.#isPairing = true
      this.#timer?.cancel()
      this.#timer = this.#clock.timer(PAIRING_DEADLINE_MS, () => this.#events.late(nodeId))
    }
    return verdict !== false
  }

  proven(): void {
    if (this.#state !== 'unproven') return
    this.#state = 'proven'
    this.#events.settled()
    this.#armIdle()
  }

  streams(count: number): void {
    this.#streamCount = count
    if (this.#state === 'proven') this.#armIdle()
  }

  gone(): void {
    if (this.#state === 'gone') return
    if (this.#state === 'unproven') this.#events.settled()
    this.#state = 'gone'
    this.#timer?.cancel()
    this.#events.gone(this.#isPairing)
  }

  #armIdle(): void {
    this.#timer?.cancel()
    this.#timer = this.#streamCount > 0 ? undefined : this.#clock.timer(this.#deadlineMs, () => this.#events.idle())
  }
}

interface Bucket {
  tokens: number
  atMs: number
}

/** A token bucket for each source: bursts up to one second's worth, then the steady rate. */
class RateLimit {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
  }

  take(source: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(source) ?? { tokens: this.#perSecond, atMs: nowMs }
    bucket.tokens = Math.min(this.#perSecond, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * this.#perSecond)
    bucket.atMs = nowMs
    // Deleted and set again, so that the map is in the order of last use.
    this.#buckets.delete(source)
    this.#buckets.set(source, bucket)
    if (this.#buckets.size > SOURCE_COUNT_MAX) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest)
        break
      }
    }
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}

/**
 * What a rate per address counts as one source: an IPv4 address (also when written inside IPv6), or the /64 of an IPv6
 * address, since a host has all of it.
 */
export function addressSource(multiaddr: string): string {
  const [, protocol, host = ''] = multiaddr.split('/')
  if (protocol !== 'ip6') return host
  const groups = ipv6Groups(host)
  const [a, b, c, d, e, f, g = 0, h = 0] = groups
  if (a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff) {
    return [g >> 8, g & 0xff, h >> 8, h & 0xff].join('.')
  }
  return groups
    .slice(0, 4)
    .map(group => group.toString(16))
    .join(':')
}

function ipv6Groups(host: string): number[] {
  const text = (host.split('%')[0] as string).replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [a * 256 + Number(b), c * 256 + Number(d)].map(group => group.toString(16)).join(':')
  )
  const [head = '', tail] = text.split('::')
  const parse = (part: string) => (part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16)))
  const front = parse(head)
  const back = tail === undefined ? [] : parse(tail)
  return [...front, ...new Array<number>(Math.max(0, 8 - front.length - back.length)).fill(0), ...back]
}
