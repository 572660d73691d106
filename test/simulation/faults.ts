import type { MemoryDisk } from '../../daemon/src/store/memory.ts'
import { PICKY_CHANNEL } from './apps.ts'
import type { Simulation, Town } from './simulation.ts'
import type { SimulationEvent } from './tally.ts'

/** One thing that may happen next. */
export interface Act {
  readonly weight: number
  run(simulation: Simulation, town: Town): void | Promise<void>
}

const DAY_MS = 24 * 60 * 60 * 1_000
const CHANNELS = ['a', 'a', 'b', PICKY_CHANNEL]
const POINTS = ['before', 'within', 'after'] as const

/** What apps do when nothing is wrong. */
export const APP_ACTS: readonly Act[] = [
  {
    weight: 30,
    run: (simulation, town) => simulation.send(town, { count: 1, bytes: simulation.pick(200), durable: true })
  },
  {
    weight: 12,
    run: (simulation, town) => {
      simulation.tally.add('run of several')
      simulation.send(town, { count: 2 + simulation.pick(9), bytes: simulation.pick(100), durable: true })
    }
  },
  { weight: 8, run: (simulation, town) => simulation.send(town, { count: 1, bytes: 10, durable: false }) },
  {
    weight: 2,
    run: (simulation, town) => {
      simulation.tally.add('large message')
      const bytes = simulation.pick(4) === 0 ? 1_048_576 - 100 : 30_000 + simulation.pick(120_000)
      simulation.send(town, { count: 1, bytes, durable: true })
    }
  },
  { weight: 3, run: ({ random }, { apps, peer }) => apps.sendByHttp(peer.name, random.pick(CHANNELS)) },
  { weight: 4, run: (_, { apps }) => apps.look() },
  { weight: 5, run: (simulation, { apps }) => apps.pick(simulation.pick(2) === 0) },
  { weight: 3, run: (_, { apps }) => apps.seek() }
]

const ttl: Act = {
  weight: 8,
  run: (simulation, town) =>
    simulation.send(town, {
      count: 1 + simulation.pick(3),
      bytes: 20,
      durable: true,
      ttlMs: 1_000 + simulation.pick(3_000)
    })
}

const cancel: Act = {
  weight: 6,
  run: (simulation, { apps }) => {
    const recent = simulation.model.acceptedMessages().filter(({ from }) => from === apps.host.name)
    const sent = recent.at(-1 - simulation.pick(4))
    if (sent !== undefined) apps.cancel(sent)
  }
}

const burst: Act = {
  weight: 2,
  run: (simulation, town) => {
    for (let at = 0; at < 8; at++)
      simulation.send(town, {
        count: 20,
        bytes: 5,
        durable: true,
        whenFull: simulation.pick(2) === 0 ? 'fail' : 'wait'
      })
  }
}

const takeOver: Act = { weight: 2, run: (simulation, { apps, host }) => simulation.runWith(host, apps.takeOver()) }

const appRestart: Act = {
  weight: 2,
  run: async (simulation, { apps, host }) => {
    await simulation.runWith(host, apps.restart())
    simulation.tally.add('app restarted')
  }
}

const lostReply: Act = {
  weight: 6,
  run: (simulation, town) => {
    town.host.loseAnswersTo(
      simulation.random.pick(['messages.send', 'messages.send', 'messages.ack', 'messages.fetch'])
    )
    simulation.send(town, { count: 1, bytes: 8, durable: true })
  }
}

const slow: Act = {
  weight: 2,
  run: (_, { apps }) => {
    apps.isSlow = !apps.isSlow
  }
}

const cut: Act = {
  weight: 5,
  run: ({ world, tally }, { host, peer }) => {
    world.network.cut(host.keyring.nodeId, peer.keyring.nodeId)
    tally.add('cut')
  }
}

const silentCut: Act = {
  weight: 4,
  run: ({ world, tally }, { host, peer }) => {
    world.network.cut(host.keyring.nodeId, peer.keyring.nodeId, { silent: true })
    tally.add('silent cut')
  }
}

const heal: Act = { weight: 6, run: ({ world }) => world.network.heal() }

const delay: Act = {
  weight: 4,
  run: (simulation, { host, peer }) => {
    simulation.world.network.delay(host.keyring.nodeId, peer.keyring.nodeId, 1 + simulation.pick(300))
    simulation.tally.add('delay')
  }
}

const duplicate: Act = { weight: 3, run: (_, { host }) => host.transport?.duplicateNext() }

const restart: Act = {
  weight: 2,
  run: async (simulation, { host }) => {
    await simulation.run(host.stop())
    simulation.tally.add('orderly restart')
    await simulation.pass(simulation.pick(2_000))
    await simulation.up(host)
  }
}

const crash: Act = {
  weight: 3,
  run: async (simulation, { host }) => {
    host.kill()
    simulation.tally.add('crash at any moment')
    await simulation.pass(simulation.pick(2_000))
    await simulation.up(host)
  }
}

const crashAtWrite: Act = {
  weight: 8,
  run: (simulation, { host }) => host.store?.crashAt(1 + simulation.pick(6), simulation.random.pick(POINTS))
}

const failedWrite: Act = { weight: 3, run: (simulation, { host }) => host.store?.failFor(1 + simulation.pick(4_000)) }

const clockStep: Act = {
  weight: 3,
  run: simulation => {
    const isForward = simulation.pick(2) === 0
    simulation.world.clock.stepWall(isForward ? DAY_MS : -DAY_MS)
    simulation.tally.add(isForward ? 'clock step forward' : 'clock step back')
  }
}

/** A message is on its way when its peer goes silent for longer than anybody waits. */
const eclipse: Act = {
  weight: 4,
  run: async (simulation, town) => {
    const { world } = simulation
    const { host, peer } = town
    const [a, b] = [host.keyring.nodeId, peer.keyring.nodeId]
    world.network.delay(a, b, 100)
    simulation.send(town, { count: 1, bytes: 20, durable: true, ttlMs: 1_000 })
    await simulation.pass(20 + simulation.pick(60))
    world.network.cut(a, b, { silent: true })
    await simulation.pass(130_000)
    world.network.heal(a, b)
    world.network.delay(a, b, 1)
  }
}

const block: Act = {
  weight: 2,
  run: async (simulation, { apps, host, peer }) => {
    const { model, world, tally } = simulation
    if (!host.isUp) return
    await simulation.run(
      apps.client.peers.block(peer.name).then(
        () => model.blocked(host.name, peer.name, world.clock.monotonicMs()),
        () => undefined // the daemon is away
      )
    )
    tally.add('block')
    await simulation.pass(simulation.pick(3_000))
    await simulation.unblock(host, peer)
  }
}

const backup: Act = {
  weight: 6,
  run: ({ world, backups }, { host }) => {
    if (host.isUp) backups.set(host, { disk: host.backup(), atMs: world.clock.monotonicMs() })
  }
}

/** Once for a host: whoever is restored again and again counts as two. */
const restore: Act = {
  weight: 3,
  run: async (simulation, { apps, host }) => {
    const found: { readonly disk: MemoryDisk; readonly atMs: number } | undefined = simulation.backups.get(host)
    if (found === undefined || host.generation > 0) return
    apps.end()
    host.kill()
    host.restore(found.disk)
    const nowMs = simulation.world.clock.monotonicMs()
    const what: readonly SimulationEvent[] = simulation.model.restored(host.name, found.atMs, nowMs)
    for (const event of what) simulation.tally.add(event)
    await simulation.up(host)
    await simulation.runWith(host, apps.restart())
  }
}

/** Kinds of seeds, each with what happens in it beside what apps always do. */
export const FLAVOURS: Readonly<Record<string, readonly Act[]>> = {
  calm: [],
  apps: [takeOver, appRestart, lostReply, slow, cancel, burst],
  network: [ttl, cancel, burst, cut, silentCut, heal, delay, duplicate],
  crashes: [ttl, lostReply, crash, restart, crashAtWrite, crashAtWrite, takeOver],
  disk: [failedWrite, lostReply, ttl, crashAtWrite, restart],
  clock: [ttl, cancel, clockStep, cut, heal, eclipse, restart],
  restore: [backup, restore, cut, heal, crash, ttl],
  trust: [block, cut, heal, ttl, crash],
  everything: [
    ttl,
    cancel,
    burst,
    takeOver,
    appRestart,
    lostReply,
    slow,
    cut,
    silentCut,
    heal,
    delay,
    duplicate,
    restart,
    crash,
    crashAtWrite,
    failedWrite,
    clockStep,
    block
  ]
}
