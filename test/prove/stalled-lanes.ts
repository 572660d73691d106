import { type Client, connect } from '@parley/client-sdk'
import { Pair } from '../support/pair.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'stalled-lanes'
export const describe =
  'ten live lanes beside a stalled durable lane, a stalled lane that is not durable and an app that takes nothing: their p99 stays within twice that without'

const LANES = 10
const RATIO_MAX = 2
/** The least quota that a lane may have, so that it is soon full. */
const LANE_QUOTA_BYTES = 2 * 1024 * 1024
const ENV = {
  PARLEY_LIMITS_INBOX_LANE_BYTES_MAX: String(LANE_QUOTA_BYTES),
  PARLEY_LIMITS_INBOX_CONTACT_BYTES_MAX: String(64 * 1024 * 1024)
}

export async function run({ size, log }: ProofOptions): Promise<ProofResult> {
  const rounds = size === 'full' ? 10 : 3
  const messages = size === 'full' ? 200 : 60
  await using free = await Pair.start({ env: ENV })
  await using stalled = await Pair.start({ env: ENV })
  await using stall = await Stall.make(stalled)
  log('one durable lane, one that is not, and one app are stalled')
  const latencies = { free: [] as number[], stalled: [] as number[] }
  // By turns, so that what else the machine does hits both alike.
  await liveRound(free, 'warm-up', messages)
  await liveRound(stalled, 'warm-up', messages)
  for (let round = 0; round < rounds; round++) {
    latencies.free.push(...(await liveRound(free, `round-${round}`, messages)))
    latencies.stalled.push(...(await liveRound(stalled, `round-${round}`, messages)))
  }
  const [freeMs, stalledMs] = [p99(latencies.free), p99(latencies.stalled)]
  const ratio = stalledMs / freeMs
  const stillStalled = await stall.isStalled()
  return {
    ok: ratio <= RATIO_MAX && stillStalled,
    counts: {
      lanes: LANES,
      messages: latencies.stalled.length,
      freeP99Us: Math.round(freeMs * 1_000),
      stalledP99Us: Math.round(stalledMs * 1_000),
      ratioPercent: Math.round(ratio * 100),
      stalledMessages: stall.waitingCount
    },
    notes: stillStalled ? [] : ['what was to be stalled has moved on']
  }
}

/** Ten channels at once, one message under way in each: milliseconds from the call to the app that reads. */
async function liveRound(pair: Pair, round: string, messages: number): Promise<number[]> {
  const lanes = await Promise.all(
    Array.from({ length: LANES }, (_, lane) => liveLane(pair, `live-${lane}`, round, messages))
  )
  return lanes.flat()
}

async function liveLane({ alice, bob }: Pair, channel: string, round: string, messages: number): Promise<number[]> {
  const latenciesMs: number[] = []
  const reading = bob.client.messages({ channel, consumer: channel, from: 'now' })
  await reading.ready()
  for (let number = 0; number < messages; number++) {
    const startMs = performance.now()
    await alice.client.send('bob', `${round} ${number}`, { channel })
    const { value: message } = await reading.next()
    latenciesMs.push(performance.now() - startMs)
    if (message?.text() !== `${round} ${number}`) throw new Error(`read ${message?.text()} where ${number} was due`)
    if (number % 20 === 19 || number + 1 === messages) await message.ack()
  }
  await reading.return()
  return latenciesMs
}

/** What does not move. */
class Stall implements AsyncDisposable {
  readonly #pair: Pair
  readonly #silent: Client
  readonly #plain: Promise<unknown>
  readonly #plainStop = new AbortController()
  #plainIsOver = false
  waitingCount = 0

  private constructor(pair: Pair, silent: Client) {
    this.#pair = pair
    this.#silent = silent
    const { client } = pair.alice
    // Nobody reads that channel, so that this waits for credit as long as it may.
    this.#plain = client
      .send('bob', 'waits', {
        channel: 'stalled-plain',
        durable: false,
        timeoutMs: 3_600_000,
        signal: this.#plainStop.signal
      })
      .then(
        () => {
          this.#plainIsOver = true
        },
        () => undefined // it is given up at the end
      )
  }

  static async make(pair: Pair): Promise<Stall> {
    const silent = await connect({ socket: pair.bob.daemon.socketPath })
    const stall = new Stall(pair, silent)
    // It is given messages, and its program takes none of them.
    await silent.messages({ channel: 'stalled-durable', consumer: 'silent' }).ready()
    const body = new Uint8Array(64 * 1024 - 512)
    for (let sent = 0; sent < 2 * LANE_QUOTA_BYTES; sent += 8 * body.length) {
      await pair.alice.client.sendRun('bob', Array<Uint8Array>(8).fill(body), { channel: 'stalled-durable' })
    }
    let before = -1
    await until(
      'the durable lane to stand still',
      async () => {
        const { messages } = (await pair.alice.client.peers.get('bob')).queue
        const stands = messages > 0 && messages === before
        before = messages
        return stands
      },
      { pauseMs: 500, timeoutMs: 30_000 }
    )
    stall.waitingCount = before
    return stall
  }

  async isStalled(): Promise<boolean> {
    const { messages } = (await this.#pair.alice.client.peers.get('bob')).queue
    return messages >= this.waitingCount && !this.#plainIsOver
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#plainStop.abort()
    await this.#plain
    await this.#silent.close({ drain: false })
  }
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0
}
