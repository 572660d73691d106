import { type Client, connect, ParleyError } from '@parley/client-sdk'
import { type DaemonProcess, runParley, startDaemon } from '../support/daemon-process.ts'
import { askSocket } from '../support/local-socket.ts'
import { addOfflineBob } from '../support/offline-peer.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'full-disk'
export const describe =
  'a disk that is full, for the log or for a table: clear codes, no crash, back by itself, and all that was accepted is there'

const MiB = 1_024 * 1_024
const DISK_BYTES = 64 * MiB
const ENV = {
  PARLEY_NODE_PROFILE: 'test',
  PARLEY_LOG_LEVEL: 'warn',
  PARLEY_LIMITS_STORE_RESERVE_BYTES: String(MiB),
  PARLEY_LIMITS_STORE_BACK_OFF_MIN_MS: '100',
  PARLEY_LIMITS_STORE_BACK_OFF_MAX_MS: '1000'
}
/** Refusals one after the other, with a pause for the store to come back between them, that show that the disk is full for good. */
const REFUSALS_IN_A_ROW = 8
const REFUSAL_PAUSE_MS = 400

/** LevelDB starts a new log, and writes the old one's records to a table, at 4 MiB. */
const FORMS = [
  { what: 'log', freeBytes: 2 * MiB, failure: /\d+\.log: No space left/ },
  { what: 'table', freeBytes: 6 * MiB, failure: /\d+\.ldb: No space left/ }
] as const

export async function run(options: ProofOptions): Promise<ProofResult> {
  const counts: Record<string, number> = {}
  const notes: string[] = []
  for (const form of FORMS) {
    using home = makeTempHome()
    using disk = SmallDisk.mount(home.file('state'), DISK_BYTES)
    if (disk === undefined)
      return { ok: true, counts, notes: ['NOT PROVED HERE: this process may not mount a small disk'] }
    const { found, wrong } = await fill(form, home.path, disk, options)
    for (const [name, count] of Object.entries(found)) counts[`${form.what}${name}`] = count
    notes.push(...wrong.map(text => `${form.what}: ${text}`))
  }
  return { ok: notes.length === 0, counts, notes }
}

async function fill(
  { what, freeBytes, failure }: (typeof FORMS)[number],
  home: string,
  disk: SmallDisk,
  { seed, size, log }: ProofOptions
): Promise<{ found: Record<string, number>; wrong: string[] }> {
  const wrong: string[] = []
  using bobsHome = makeTempHome()
  let daemon = await startDaemon({ home, args: ['--id', 'alice'], env: ENV })
  try {
    const accepted = new Set<string>()
    await using client = await connect({ socket: daemon.socketPath })
    await addOfflineBob(client, bobsHome.path, ENV)
    disk.fillTo(freeBytes)
    const sends = new Sends(client, daemon.socketPath, accepted, seededRandom(`${what} ${seed}`))
    await sends.untilRefused()
    const before = accepted.size
    log(`${what}: ${before} accepted until the disk was full; refused with ${[...sends.codes]}`)
    if (!failure.test(daemon.stderr)) wrong.push(`another write failed: ${daemon.stderr.slice(-500)}`)
    if ([...sends.codes].some(code => code !== 'STORE_UNAVAILABLE' && code !== 'QUEUE_FULL'))
      wrong.push(`${[...sends.codes]}`)
    const ready = await askSocket(daemon.socketPath, '/readyz')
    if (ready?.status !== 503 || !ready.body.includes('STORE_UNAVAILABLE')) wrong.push(`ready: ${ready?.body}`)
    const shown = await daemon.parley(['--json', 'send', 'bob', 'x', '--timeout', '1s'])
    if (shown.code === 0) wrong.push('a send from the command line was accepted')

    disk.free()
    const freedAt = performance.now()
    await daemon.ready(30_000)
    const backMs = Math.round(performance.now() - freedAt)
    for (let sent = 0; sent < 1_000; sent += 100) await sends.run(100)
    log(`${what}: back after ${backMs} ms, and ${accepted.size - before} more accepted`)
    if (accepted.size !== before + 1_000) wrong.push(`${accepted.size - before} of 1,000 more were accepted`)
    await daemon.kill()
    daemon = await startDaemon({ home, env: ENV })
    const queued = await queuedOf(daemon)
    if (queued < accepted.size) wrong.push(`${queued} are queued of ${accepted.size} that were accepted`)
    await daemon.kill()
    const missing = await missingFromExport(home, accepted)
    if (missing > 0) wrong.push(`${missing} of ${accepted.size} that were accepted are gone`)
    const delivered = size === 'full' ? await deliver(home, bobsHome.path, accepted) : 0
    if (size === 'full' && delivered !== accepted.size) wrong.push(`${delivered} of ${accepted.size} were delivered`)
    return { found: { Accepted: accepted.size, Refused: sends.refused, BackMs: backMs, Missing: missing }, wrong }
  } finally {
    if (daemon.isRunning) await daemon.kill()
  }
}

/** Durable sends, whose IDs are noted once they were accepted. */
class Sends {
  readonly codes = new Set<string>()
  refused = 0
  readonly #client: Client
  readonly #socketPath: string
  readonly #accepted: Set<string>
  readonly #random: SeededRandom

  constructor(client: Client, socketPath: string, accepted: Set<string>, random: SeededRandom) {
    this.#client = client
    this.#socketPath = socketPath
    this.#accepted = accepted
    this.#random = random
  }

  /** `count` messages, each in a call of its own. Those that are refused are counted, and their codes kept. */
  async run(count: number): Promise<number> {
    const outcomes = await Promise.allSettled(
      Array.from({ length: count }, () => {
        const body = this.#random.bytes(1 + this.#random.below(4_000))
        return this.#client.send('bob', body, { channel: `c${this.#random.below(5)}`, whenFull: 'fail' })
      })
    )
    let accepted = 0
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') {
        this.#accepted.add(outcome.value.id)
        accepted++
        continue
      }
      this.refused++
      if (!(outcome.reason instanceof ParleyError)) throw outcome.reason
      this.codes.add(outcome.reason.code)
    }
    return accepted
  }

  async #isReady(): Promise<boolean> {
    return (await askSocket(this.#socketPath, '/readyz'))?.status === 200
  }

  async untilRefused(): Promise<void> {
    for (let inARow = 0; inARow < REFUSALS_IN_A_ROW; ) {
      if ((await this.run(20)) > 0) {
        inARow = 0
        continue
      }
      inARow++
      // It may be back for a while: the store gives up its reserve.
      await until('the daemon to be back', () => this.#isReady(), { timeoutMs: REFUSAL_PAUSE_MS }).catch(
        () => undefined
      )
    }
  }
}

async function queuedOf(daemon: DaemonProcess): Promise<number> {
  await using client = await connect({ socket: daemon.socketPath })
  return (await client.status()).queue.messages
}

/** How many of these messages a read-out of the store does not have. */
async function missingFromExport(home: string, accepted: ReadonlySet<string>): Promise<number> {
  const { code, stdout, stderr } = await runParley(['export'], { home, timeoutMs: 60_000 })
  if (code !== 0) throw new Error(`the export failed: ${stderr}`)
  const found = new Set(
    stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => (JSON.parse(line) as { id?: string }).id)
  )
  return [...accepted].filter(id => !found.has(id)).length
}

/** Starts both daemons, and counts which of these messages come to the peer's app. */
async function deliver(home: string, bobsHome: string, accepted: ReadonlySet<string>): Promise<number> {
  await using _alice = await startDaemon({ home, env: ENV })
  await using bob = await startDaemon({ home: bobsHome, env: ENV })
  await using client = await connect({ socket: bob.socketPath })
  const got = new Set<string>()
  const stop = new AbortController()
  const reading = (async () => {
    for await (const message of client.messages({ consumer: 'app', signal: stop.signal })) {
      if (accepted.has(message.id)) got.add(message.id)
      if (got.size % 100 === 0) await message.ack()
      if (got.size === accepted.size) break
    }
  })()
  reading.catch(() => {}) // an end by the signal says nothing; the count does
  await until('all of them to be delivered', () => got.size === accepted.size, { timeoutMs: 60_000 }).catch(
    () => undefined
  )
  stop.abort()
  return got.size
}
