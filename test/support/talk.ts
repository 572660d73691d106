import { createHash } from 'node:crypto'
import type { Client } from '@parley/client-sdk'
import type { Side } from './pair.ts'

/** The fixed hash of bodies in order, whatever the runs they came in. */
export class BodyHash {
  readonly #hash = createHash('sha256')
  count = 0

  add(body: Uint8Array): void {
    this.#hash.update(`${body.length} `).update(body)
    this.count++
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}

/** An ack covers all before it; one for each would only slow the listener down. */
const ACK_EVERY = 100

/** An app that takes numbered texts and notes what is not the next number. */
export class NumberedListener {
  /** The number that is due. */
  next = 0
  readonly wrong: string[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(client: Client, channel: string) {
    this.#done = this.#listen(client, channel)
    this.#done.catch(() => {}) // it is thrown by `stop`
  }

  async #listen(client: Client, channel: string): Promise<void> {
    try {
      const messages = client.messages({ channel, consumer: `numbered-${channel}`, signal: this.#stop.signal })
      for await (const message of messages) {
        const number = Number(message.text())
        if (number !== this.next) this.wrong.push(`${number} where ${this.next} was due`)
        this.next = number + 1
        if (this.next % ACK_EVERY === 0) await message.ack()
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }
}

/** Sends the texts `from` to `to - 1`, some at a time, each once; throws where one could not be sent. */
export async function sendNumbers(
  side: Side,
  channel: string,
  from: number,
  to: number,
  timeoutMs = 30_000
): Promise<void> {
  const window = 64
  for (let start = from; start < to; start += window) {
    const numbers = Array.from({ length: Math.min(window, to - start) }, (_, offset) => String(start + offset))
    await Promise.all(numbers.map(text => side.client.send(side.peer, text, { channel, durable: false, timeoutMs })))
  }
}
