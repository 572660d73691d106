import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, connect } from '@parley/client-sdk'
import { type DaemonProcess, StartedProcess, startDaemon } from '../../support/daemon-process.ts'
import { makeTempHome } from '../../support/temp-home.ts'
import { until, within } from '../../support/until.ts'
import { vmRssBytes } from '../../support/vm-hwm.ts'

/** Always in session, so that what is measured does not pay for the first of everything. */
const WARM_COUNT = 20
/** Come and go with each measurement. */
const GUEST_COUNT = 100
/** Collects garbage when told to: memory is what sessions keep, not what making them left behind. */
const COLLECT_ON_SIGNAL = 'data:text/javascript,process.on("SIGUSR2",()=>{gc();gc()})'

/** One daemon and many peers, those in a process of their own. */
export class Crowd {
  /**
   * Resident memory that a session takes, connection and contact included, of the first that the daemon ever had beyond the warm
   * ones. Counted once: memory that was given back inside the process stays resident, so the next would look cheaper.
   */
  readonly bytesPerSession: number
  readonly #client: Client
  readonly #close: () => Promise<void>

  private constructor(bytesPerSession: number, client: Client, close: () => Promise<void>) {
    this.bytesPerSession = bytesPerSession
    this.#client = client
    this.#close = close
  }

  static async open(): Promise<Crowd> {
    const home = makeTempHome()
    const peersHome = makeTempHome()
    const count = WARM_COUNT + GUEST_COUNT
    const daemon = await startDaemon({
      home: home.path,
      args: ['--id', 'host', '--profile', 'test', '--log-level', 'error'],
      nodeArgs: ['--expose-gc', '--import', COLLECT_ON_SIGNAL]
    })
    const file = fileURLToPath(new URL('../../support/daemon-host.ts', import.meta.url))
    const peers = new StartedProcess(file, [peersHome.path, String(count)], { home: peersHome.path })
    const client = await connect({ home: home.path })
    const close = async (): Promise<void> => {
      await client.close()
      await Promise.all([daemon.stop(), peers.stop(60_000)])
      home.remove()
      peersHome.remove()
    }
    try {
      const everyone = (): boolean => peers.stdout.split('\n').filter(line => line.startsWith('ready')).length === count
      await until(`${count} peers to be ready`, everyone, { timeoutMs: 120_000 })
      await introduce(client, peersHome.path, 0, WARM_COUNT)
      const before = await residentBytes(daemon, client)
      await introduce(client, peersHome.path, WARM_COUNT, count)
      const after = await residentBytes(daemon, client)
      return new Crowd((after - before) / GUEST_COUNT, client, close)
    } catch (error) {
      await close()
      throw error
    }
  }

  /** New sessions a second, one after the other, each counted from the call that allows it to the event that tells of it. */
  async sessionsPerSecond(): Promise<number> {
    const client = this.#client
    const guests = Array.from({ length: GUEST_COUNT }, (_, i) => `peer-${WARM_COUNT + i}`)
    for (const peer of guests) await client.call('peers.block', { peer, blocked: true })
    await until('the guests to be gone', async () => (await client.status()).sessions === WARM_COUNT)
    await using events = client.events({ after: 'now' })
    await events.ready()
    const start = performance.now()
    for (const peer of guests) {
      await client.call('peers.block', { peer, blocked: false })
      await within(`a session with ${peer}`, 30_000, established(events, peer))
    }
    return (GUEST_COUNT / (performance.now() - start)) * 1_000
  }

  close(): Promise<void> {
    return this.#close()
  }
}

async function residentBytes(daemon: DaemonProcess, client: Client): Promise<number> {
  daemon.signal('SIGUSR2')
  for (let i = 0; i < 3; i++) await client.health()
  return vmRssBytes(daemon.pid) ?? Number.NaN
}

type Events = ReturnType<Client['events']>

/** In session; with crossed dials a second session beside the first shows as a rekey. */
async function established(events: Events, peer: string): Promise<void> {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error('the events ended')
    if (value.kind !== 'peer.session' || value.name !== peer) continue
    if (value.state === 'established' || value.state === 'rekeying') return
  }
}

async function introduce(client: Client, folder: string, from: number, to: number): Promise<void> {
  const own = await client.card()
  for (let i = from; i < to; i++) {
    await using peer = await connect({ home: join(folder, String(i)) })
    await peer.peers.add(own, { name: 'host' })
    await client.peers.add(await peer.card(), { name: `peer-${i}` })
  }
  await until(`${to} peers to be in session`, async () => (await client.status()).sessions === to, {
    timeoutMs: 60_000
  })
}
