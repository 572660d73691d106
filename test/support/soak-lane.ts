import { createHash } from 'node:crypto'
import { type Client, connect, type Message } from '@parley/client-sdk'
import { type SeededRandom, seededRandom } from './seeded-random.ts'
import { until } from './until.ts'

const MiB = 1024 * 1024
/** Sends that wait for their answer: enough for whole batches, few enough that a kill meets messages in every stage. */
const WINDOW = 200
/** Senders keep so close to the receivers that kills and cuts meet messages in every stage, from the first to the last. */
const AHEAD_MAX = 2_000
/** A receiver acknowledges when it has taken so many, or has nothing to take. */
const ACK_EVERY = 37

export interface SoakLaneOptions {
  readonly seed: string
  readonly channel: string
  readonly count: number
  /** Whom the sending app sends to. */
  readonly peer: string
  /** Sockets of the daemons on both sides. */
  readonly from: string
  readonly to: string
}

interface Logged {
  readonly id: string
  readonly digest: string
}

interface Receiver {
  readonly client: Promise<Client>
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** An app that sends numbered bodies on one channel, and one that logs by index what it receives. */
export class SoakLane {
  readonly #options: SoakLaneOptions
  readonly #bodies: SeededRandom
  /** Digests of what was accepted, in the order of the calls. */
  readonly #accepted: string[] = []
  readonly #log = new Map<number, Logged>()
  readonly #wrong: string[] = []
  #receiver: Receiver
  acceptedCount = 0
  redeliveredCount = 0
  bytes = 0

  constructor(options: SoakLaneOptions) {
    this.#options = options
    this.#bodies = seededRandom(options.seed)
    this.#receiver = this.#receive()
  }

  get arrivedCount(): number {
    return this.#log.size
  }

  get isWhole(): boolean {
    return this.#log.size >= this.#options.count
  }

  /** Sends all. Resolves when the last is accepted. */
  async send(): Promise<void> {
    const { from, peer, channel, count } = this.#options
    await using client = await connect({ socket: from, wait: true })
    const open = new Set<Promise<void>>()
    for (let number = 0; number < count; number++) {
      if (number - this.arrivedCount > AHEAD_MAX) {
        await until('receivers to catch up', () => number - this.arrivedCount < AHEAD_MAX / 2, { timeoutMs: 600_000 })
      }
      const body = this.#body()
      this.#accepted.push(digestOf(body))
      this.bytes += body.length
      const sending = client.send(peer, body, { channel }).then(() => {
        this.acceptedCount++
        open.delete(sending)
      })
      open.add(sending)
      if (open.size >= WINDOW) await Promise.race(open)
    }
    await Promise.all(open)
  }

  /** The receiving app ends without a word and comes back under its name. */
  async restartReceiver(): Promise<void> {
    await this.#stop(false)
    this.#receiver = this.#receive()
  }

  /** Ends the receiver, and says what is wrong with its log. */
  async finish(): Promise<readonly string[]> {
    await this.#stop(true)
    const { channel } = this.#options
    const got = [...this.#log].toSorted(([a], [b]) => a - b).map(([, { digest }]) => digest)
    if (got.length !== this.#accepted.length) {
      this.#wrong.push(`${channel}: ${this.#accepted.length} were accepted and ${got.length} arrived`)
    }
    const first = got.findIndex((digest, at) => digest !== this.#accepted[at])
    if (first >= 0) this.#wrong.push(`${channel}: number ${first} of the log is not what was sent as number ${first}`)
    const ids = new Set([...this.#log.values()].map(({ id }) => id))
    if (ids.size !== this.#log.size)
      this.#wrong.push(`${channel}: ${this.#log.size - ids.size} IDs stand at two indexes`)
    return this.#wrong
  }

  #receive(): Receiver {
    const stop = new AbortController()
    const client = connect({ socket: this.#options.to, wait: true, signal: stop.signal })
    const done = this.#take(client, stop.signal)
    done.catch(() => undefined) // it is thrown by `#stop`
    return { client, stop, done }
  }

  async #take(connecting: Promise<Client>, signal: AbortSignal): Promise<void> {
    try {
      const client = await connecting
      const { channel } = this.#options
      let unacked = 0
      for await (const message of client.messages({ channel, consumer: `soak-${channel}`, takeover: true, signal })) {
        this.#note(message)
        if (++unacked < ACK_EVERY && !this.isWhole) continue
        unacked = 0
        // A lost daemon is told again when it is back; the log does not depend on it.
        message.ack().catch(() => undefined)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #note(message: Message): void {
    const { index, id, redelivered } = message
    const digest = digestOf(message.body)
    const there = this.#log.get(index)
    if (there === undefined) this.#log.set(index, { id, digest })
    else {
      this.redeliveredCount++
      if (there.id !== id || there.digest !== digest) this.#wrong.push(`index ${index} is ${there.id} and ${id}`)
      if (!redelivered) this.#wrong.push(`index ${index} came again unmarked`)
    }
  }

  async #stop(drain: boolean): Promise<void> {
    const { client, stop, done } = this.#receiver
    stop.abort()
    await done
    await client.then(
      connected => connected.close({ drain }),
      () => undefined // it was not connected yet
    )
  }

  /** Mostly small, some large, and a few of the largest. */
  #body(): Uint8Array {
    const draw = this.#bodies.below(10_000)
    const below = draw < 4 ? MiB + 1 : draw < 100 ? 32 * 1024 : draw < 300 ? 1 : 400
    return this.#bodies.bytes(this.#bodies.below(below))
  }
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('base64url')
}
