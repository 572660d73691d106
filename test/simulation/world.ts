import type { Config } from '@parley/config'
import { VirtualClock } from '../../daemon/src/actor/virtual-clock.ts'
import { MemoryNetwork } from '../../daemon/src/transport/memory.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { Host, type Wraps } from './host.ts'
import { type SimulationEvent, Tally } from './tally.ts'

export { Host } from './host.ts'

export interface WorldOptions {
  readonly limits?: Partial<Config['limits']>
  readonly wraps?: Wraps
  /** Told what the daemons log. */
  readonly trace?: (line: string) => void
  /** By name of the host: what its daemon says that it can do, in place of everything. */
  readonly features?: Readonly<Record<string, readonly string[]>>
}

/** Whole daemons and their apps in one process: every port is the one in memory, and time is a number. */
export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly seed: string
  readonly random: SeededRandom
  readonly network: MemoryNetwork
  readonly hosts: Host[] = []
  readonly tally: Tally = new Tally()
  /** What a daemon must never do: log an error, fail. */
  readonly findings: string[] = []
  /** What the daemons counted, those that are gone too. */
  readonly counters = new Map<string, number>()
  readonly #options: WorldOptions

  constructor(seed: string, options: WorldOptions = {}) {
    this.seed = seed
    this.#options = options
    this.random = seededRandom(`world ${seed}`)
    this.network = new MemoryNetwork({ clock: this.clock })
  }

  /** Hosts that all know each other, in session. */
  static async of(names: readonly string[], seed: string, options: WorldOptions = {}): Promise<World> {
    const world = new World(seed, options)
    for (const name of names) await world.host(name)
    for (const host of world.hosts) {
      for (const other of world.hosts) if (other !== host) await world.introduce(host, other)
    }
    await world.inSession()
    return world
  }

  /** A new host, started, with an app. */
  async host(name: string): Promise<Host> {
    const { limits = {}, wraps = {}, features = {}, trace } = this.#options
    const host = new Host(name, {
      clock: this.clock,
      network: this.network,
      seed: this.seed,
      index: this.hosts.length,
      limits,
      wraps,
      features: features[name],
      trace: line => trace?.(`${this.clock.monotonicMs()} ${line}`),
      finding: text => this.findings.push(text),
      count: (event: SimulationEvent) => this.tally.add(event),
      counted: counters => {
        for (const [counter, count] of Object.entries(counters)) {
          this.counters.set(counter, (this.counters.get(counter) ?? 0) + count)
        }
      }
    })
    this.hosts.push(host)
    await this.run(host.start())
    await this.run(host.connect())
    return host
  }

  /** `host` gets the card of `other`. */
  async introduce(host: Host, other: Host): Promise<void> {
    await this.run(host.client.peers.add(other.node.card(), { name: other.name }))
  }

  /** A number from 0 to `below - 1`. */
  pick(below: number): number {
    return this.random.below(below)
  }

  /** Lets time pass until `work` is done. */
  async run<T>(work: Promise<T>, limitMs = 120_000): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    done.catch(() => {}) // it is thrown at the end
    await this.until(() => isDone, limitMs)
    return done
  }

  async until(condition: () => boolean, limitMs = 120_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs
    for (;;) {
      await this.clock.settle()
      this.assertSound()
      if (condition()) return
      if (this.clock.monotonicMs() > endMs) throw new Error(`seed ${this.seed}: not so within ${limitMs} ms`)
      await this.clock.advance(10)
    }
  }

  /** Waits until every two hosts that run are in one session. */
  async inSession(limitMs = 400_000): Promise<void> {
    await this.until(() => this.hosts.every(host => host.isInSessionWith(() => true)), limitMs)
  }

  /** @throws {Error} where a daemon did what it must never do */
  assertSound(): void {
    const [first] = this.findings
    if (first !== undefined) throw new Error(`seed ${this.seed}: ${first}`)
  }
}
