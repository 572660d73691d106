import type { Config } from '@parley/config'
import type { MemoryDisk } from '../../daemon/src/store/memory.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { Apps, PICKY_CHANNEL, type SendPlan } from './apps.ts'
import { type Act, APP_ACTS, FLAVOURS } from './faults.ts'
import type { Host, Wraps } from './host.ts'
import { Model } from './model.ts'
import type { Tally } from './tally.ts'
import { World } from './world.ts'

const NAMES = ['ann', 'ben', 'cy']
const STEPS = 50
/** Longer than a hold of expiry and any wait between dials. */
const SETTLE_MS_MAX = 900_000
/** On a quiet network nobody waits longer, rekeys included. */
const CALM_MS_MAX = 3_000

/** Low, so that everything that has a limit meets it. */
const LIMITS: Partial<Config['limits']> = {
  rekeyAfterWraps: 24,
  sessionWrapsMax: 4_096,
  backOffMaxMs: 5_000,
  maybeAfterMs: 60_000,
  clockStepHoldMs: 5_000,
  consumerUnackedCountMax: 200,
  storeBackOffMinMs: 100,
  storeBackOffMaxMs: 1_000,
  shutdownTimeoutMs: 2_000
}

/** Who acts: an app of a host, and a peer of it. */
export interface Town {
  readonly apps: Apps
  readonly host: Host
  readonly peer: Host
}

export interface SimulationOptions {
  readonly wraps?: Wraps
  /** One kind of seed alone. */
  readonly flavour?: string
  /** Told what happens, line by line. */
  readonly trace?: (line: string) => void
}

export interface SimulationResult {
  readonly seed: string
  readonly flavour: string
  readonly wrong: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

/** How to see one seed again. */
export const replayCommand = (seed: string): string => `npm run prove -- simulation --seed ${seed}`

/** Runs one seed to its end, and never throws: what went wrong is in the result. */
export async function simulate(seed: string, options: SimulationOptions = {}): Promise<SimulationResult> {
  const simulation = new Simulation(seed, options)
  const wrong: string[] = []
  const uninstall = options.wraps?.install?.()
  try {
    await simulation.play()
  } catch (error) {
    wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    uninstall?.()
  }
  wrong.push(...simulation.model.wrong)
  return { seed, flavour: simulation.flavour, wrong, counts: simulation.tally.counts() }
}

/** Three daemons, their apps, chance, and the books. */
export class Simulation {
  readonly world: World
  readonly model: Model
  readonly flavour: string
  readonly backups = new Map<Host, { readonly disk: MemoryDisk; readonly atMs: number }>()
  readonly #apps = new Map<Host, Apps>()
  readonly #acts: readonly Act[]
  #isOneSided = false

  constructor(seed: string, { wraps = {}, flavour, trace }: SimulationOptions) {
    this.world = new World(seed, { limits: LIMITS, wraps, ...(trace !== undefined && { trace }) })
    this.model = new Model(event => this.tally.add(event))
    this.flavour = flavour ?? this.random.pick(Object.keys(FLAVOURS))
    const acts = FLAVOURS[this.flavour]
    if (acts === undefined) throw new RangeError(`there is no flavour ${this.flavour}`)
    this.#acts = [...APP_ACTS, ...acts]
  }

  get random(): SeededRandom {
    return this.world.random
  }

  get tally(): Tally {
    return this.world.tally
  }

  pick(below: number): number {
    return this.world.pick(below)
  }

  async play(): Promise<void> {
    await this.#meet()
    for (let step = 0; step < STEPS; step++) {
      await this.#step()
      await this.pass(this.pick(5) === 0 ? this.pick(1_500) : this.pick(40))
    }
    await this.#mend()
    await this.#settle()
    for (const { name, bootedMs } of this.world.hosts) this.model.booted(name, bootedMs)
    this.model.judgeEnd()
    await this.#close()
    this.#judgeSessions()
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.world.run(work)
  }

  /** Lets time pass until `work` of an app is done, which needs the daemon of `host`. */
  async runWith<T>(host: Host, work: Promise<T>): Promise<T> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    done.catch(() => undefined) // it is thrown at the end
    while (!isDone) {
      await this.up(host)
      await this.pass(20)
    }
    return done
  }

  async pass(ms: number): Promise<void> {
    await this.world.clock.advance(ms)
    this.world.assertSound()
  }

  /** Starts a daemon until it is up: the next crash may be planned for its start. */
  async up(host: Host): Promise<void> {
    while (!host.isUp) {
      await this.run(host.start())
      if (!host.isUp) await this.pass(200)
    }
  }

  send({ apps, peer }: Town, plan: Omit<SendPlan, 'to' | 'channel'>): void {
    apps.send({ ...plan, to: peer.name, channel: this.random.pick(['a', 'a', 'b', PICKY_CHANNEL]) })
  }

  /** Ends a block, if there is one; the daemon may be away meanwhile. */
  async unblock(host: Host, peer: Host): Promise<void> {
    this.model.unblocked(host.name, peer.name)
    for (;;) {
      await this.up(host)
      try {
        await this.run((this.#apps.get(host) as Apps).client.peers.block(peer.name, { blocked: false }))
        return
      } catch {
        await this.pass(300) // the daemon was away, or its disk
      }
    }
  }

  async #meet(): Promise<void> {
    const { world } = this
    for (const name of NAMES) await world.host(name)
    const [ann, , cy] = world.hosts
    this.#isOneSided = this.flavour === 'trust' && this.pick(2) === 0
    for (const host of world.hosts) {
      for (const other of world.hosts) {
        if (host === other) continue
        if (this.#isOneSided && host === cy && other === ann) continue
        await world.introduce(host, other)
      }
    }
    if (this.#isOneSided) {
      this.model.stranger('cy', 'ann')
      this.tally.add('one-sided contact')
    }
    await this.#inSession()
    for (const host of world.hosts) {
      const apps = new Apps(world, host, this.model)
      this.#apps.set(host, apps)
      apps.start()
    }
    await this.pass(100)
    for (const host of world.hosts) this.backups.set(host, { disk: host.backup(), atMs: world.clock.monotonicMs() })
  }

  async #step(): Promise<void> {
    for (const host of this.world.hosts) if (!host.isUp && this.pick(3) === 0) await this.up(host)
    const host = this.random.pick(this.world.hosts)
    const peer = this.random.pick(this.world.hosts.filter(other => other !== host && this.#knows(host, other)))
    const act = this.#draw()
    await act.run(this, { apps: this.#apps.get(host) as Apps, host, peer })
  }

  #draw(): Act {
    const total = this.#acts.reduce((sum, { weight }) => sum + weight, 0)
    let left = this.pick(total)
    for (const act of this.#acts) {
      left -= act.weight
      if (left < 0) return act
    }
    throw new RangeError('no act')
  }

  #knows(host: Host, other: Host): boolean {
    return !(this.#isOneSided && host.name === 'cy' && other.name === 'ann')
  }

  /** Everything is whole again. */
  async #mend(): Promise<void> {
    const { network, hosts } = this.world
    network.heal()
    for (const host of hosts) host.store?.heal()
    for (const host of hosts) {
      await this.up(host)
      host.store?.heal()
      for (const other of hosts) if (other !== host) network.delay(host.keyring.nodeId, other.keyring.nodeId, 1)
    }
    await this.#inSession()
    await this.world.until(() => hosts.every(host => host.isUp && host.node.status().ready))
    for (const apps of this.#apps.values()) {
      apps.isSlow = false
      apps.isEager = true
      await this.run(apps.askCursor())
      await this.runWith(apps.host, apps.takeOver())
    }
  }

  /** Lets time pass until every message has its end, as far as its sender is told. */
  async #settle(): Promise<void> {
    const { clock } = this.world
    const endMs = clock.monotonicMs() + SETTLE_MS_MAX
    for (let pauseMs = 50; clock.monotonicMs() < endMs; pauseMs = Math.min(2 * pauseMs, 10_000)) {
      await this.pass(pauseMs)
      const open = this.model.acceptedMessages().filter(sent => !this.model.isSettled(sent))
      if (open.length === 0) return
      if (pauseMs < 400) continue
      for (const sent of open) {
        const apps = [...this.#apps.values()].find(({ host }) => host.name === sent.from)
        if (apps !== undefined) await this.run(apps.ask(sent))
      }
    }
  }

  async #close(): Promise<void> {
    for (const apps of this.#apps.values()) apps.end()
    for (const host of this.world.hosts) await this.run(host.stop())
    await this.pass(35_000)
    for (const { name, duplicated } of this.world.hosts) {
      if (duplicated.some(stream => !stream.isOver))
        this.model.fault(`a frame of ${name} came twice, and its session went on`)
    }
  }

  /** Between daemons that keep the rules nobody breaks one. */
  #judgeSessions(): void {
    const counters = this.world.counters
    this.tally.add('rekey', counters.get('rekeys') ?? 0)
    this.tally.add('glare', counters.get('glares') ?? 0)
    const twice = this.tally.counts()['duplicated frame']
    const faults = [
      'LANE_GAP',
      'PROTOCOL_VIOLATION',
      'CREDIT_EXCEEDED',
      'HELLO_MISMATCH',
      'FAILED',
      'CHANNEL_LIMIT',
      'FLOODED'
    ]
    for (const code of [...faults, ...(twice === 0 ? ['AUTHENTICATION_FAILED'] : [])]) {
      const count = counters.get(code) ?? 0
      if (count > 0) this.model.fault(`${count} sessions ended with ${code}`)
    }
    if (this.flavour === 'calm') this.model.judgeCalm(CALM_MS_MAX)
  }

  async #inSession(): Promise<void> {
    await this.world.until(
      () => this.world.hosts.every(host => host.isInSessionWith(other => this.#isMutual(host.name, other))),
      400_000
    )
  }

  #isMutual(host: string, other: string): boolean {
    return !(this.#isOneSided && [host, other].toSorted().join() === 'ann,cy')
  }
}
