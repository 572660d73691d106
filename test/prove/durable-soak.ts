import { Pair, type Side } from '../support/pair.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { SoakLane, type SoakLaneOptions } from '../support/soak-lane.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'durable-soak'
export const describe =
  'durable messages of 0 B to 1 MiB from several apps, both ways, while daemons are killed, links cut and receiving apps restarted at random: all arrive once, in order'

interface Sizes {
  readonly messages: number
  /** Kills of each daemon, and cuts of the links. */
  readonly faults: number
}

export async function run({ size, seed, log, signal }: ProofOptions): Promise<ProofResult> {
  const sizes = size === 'full' ? { messages: 100_000, faults: 50 } : { messages: 3_000, faults: 3 }
  const counts: Record<string, number> = {}
  const notes: string[] = []
  for (const phase of [killed, cut]) {
    await using pair = await Pair.start({ isProxied: true })
    const soak = new Soak(
      pair,
      seededRandom(`${seed}/${phase.name}`),
      sizes,
      line => log(`${phase.name}: ${line}`),
      signal
    )
    const start = performance.now()
    await phase(soak)
    await soak.finish()
    for (const [what, count] of Object.entries(soak.counts)) counts[`${phase.name}_${what}`] = count
    counts[`${phase.name}_ms`] = Math.round(performance.now() - start)
    notes.push(...soak.wrong.slice(0, 10))
  }
  const wrong = (counts['killed_wrong'] ?? 0) + (counts['cut_wrong'] ?? 0)
  return { ok: wrong === 0, counts: { ...counts, wrong }, notes }
}

/** Each daemon is ended by `kill -9` again and again. */
async function killed(soak: Soak): Promise<void> {
  const { pair, sizes } = soak
  await soak.during(
    [pair.alice, pair.bob].flatMap(side => Array<Side>(sizes.faults).fill(side)),
    async side => {
      await pair.restart(side)
      soak.count('kills')
    }
  )
}

/** The links are cut and healed, half of the time without a word, and apps that receive end and come back. */
async function cut(soak: Soak): Promise<void> {
  const { pair, sizes, random } = soak
  await soak.during(
    Array.from({ length: sizes.faults }, (_, at) => at % 2 === 0),
    async isSilent => {
      pair.cut({ silent: isSilent })
      soak.count(isSilent ? 'silentCuts' : 'cuts')
      await soak.pass(100 + random.below(900))
      pair.heal()
      await random.pick(soak.lanes).restartReceiver()
      soak.count('appRestarts')
    }
  )
}

/** Lanes that send all the time, and what happens meanwhile. */
class Soak {
  readonly pair: Pair
  readonly random: SeededRandom
  readonly sizes: Sizes
  readonly lanes: readonly SoakLane[]
  readonly counts: Record<string, number> = {}
  readonly wrong: string[] = []
  readonly #log: (line: string) => void
  readonly #signal: AbortSignal
  readonly #sending: Promise<void>

  constructor(pair: Pair, random: SeededRandom, sizes: Sizes, log: (line: string) => void, signal: AbortSignal) {
    this.pair = pair
    this.random = random
    this.sizes = sizes
    this.#log = log
    this.#signal = signal
    const { alice, bob } = pair
    // Two apps send on one channel each, one on another host, and each channel has a program that reads it.
    const plans: readonly (Pick<SoakLaneOptions, 'channel'> & { from: Side; to: Side; share: number })[] = [
      { channel: 'orders', from: alice, to: bob, share: 0.4 },
      { channel: 'notes', from: alice, to: bob, share: 0.3 },
      { channel: 'answers', from: bob, to: alice, share: 0.3 }
    ]
    this.lanes = plans.map(({ channel, from, to, share }) => {
      const count = Math.round(sizes.messages * share)
      return new SoakLane({
        seed: `${random.seed}/${channel}`,
        channel,
        count,
        peer: from.peer,
        from: from.daemon.socketPath,
        to: to.daemon.socketPath
      })
    })
    this.#sending = Promise.all(this.lanes.map(lane => lane.send())).then(() => undefined)
    this.#sending.catch(() => undefined) // it is thrown by `finish`
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  /** Lets `ms` pass in which messages flow. */
  pass(ms: number): Promise<unknown> {
    const endMs = performance.now() + ms
    return until('time to pass', () => performance.now() >= endMs, { timeoutMs: ms + 10_000 })
  }

  /** Does `act` for each item of `items`, in a random order, spread over the whole of the traffic. */
  async during<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
    const total = 2 * this.sizes.messages
    const moments = items
      .map(item => ({ item, at: this.random.below(Math.floor(total * 0.95)) }))
      .toSorted((a, b) => a.at - b.at)
    for (const [done, { item, at }] of moments.entries()) {
      this.#signal.throwIfAborted()
      await Promise.race([
        this.#sending.then(() => new Promise<never>(() => undefined)),
        until(`${at} steps of ${total}`, () => this.#steps() >= at, { timeoutMs: 600_000 })
      ])
      await act(item)
      if (done % 10 === 9) this.#log(`${done + 1} of ${items.length}, ${this.#steps()} steps of ${total}`)
    }
  }

  async finish(): Promise<void> {
    await this.#sending
    const sent = this.lanes.reduce((sum, lane) => sum + lane.acceptedCount, 0)
    await until('all to have arrived', () => this.lanes.every(lane => lane.isWhole), {
      timeoutMs: 180_000,
      pauseMs: 200
    }).catch(error => this.wrong.push(String(error)))
    for (const lane of this.lanes) {
      this.wrong.push(...(await lane.finish()))
      this.counts['redelivered'] = (this.counts['redelivered'] ?? 0) + lane.redeliveredCount
      this.counts['bytes'] = (this.counts['bytes'] ?? 0) + lane.bytes
    }
    Object.assign(this.counts, { accepted: sent, arrived: this.#arrived(), wrong: this.wrong.length })
  }

  /** What was accepted and what has arrived, together: so far the traffic has come. */
  #steps(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.acceptedCount, 0) + this.#arrived()
  }

  #arrived(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.arrivedCount, 0)
  }
}
