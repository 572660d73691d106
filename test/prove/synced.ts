import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, connect } from '@parley/client-sdk'
import { exportStore } from '../../daemon/src/store/export-store.ts'
import { parleyBin } from '../support/daemon-process.ts'
import { askSocket } from '../support/local-socket.ts'
import { repositoryPath } from '../support/machine.ts'
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts'
import { makeTempHome, type TempHome } from '../support/temp-home.ts'
import { diskAt, STRACE_ARGS } from '../support/traced-disk.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'synced'
export const describe =
  'what was answered accepted, stored or acknowledged before a random moment is on the disk as its syncs had left it then; not so without syncs'

/** The planted fault: a store that is told to sync, and does not. */
const WITHOUT_SYNC = `
import { LevelStore } from ${JSON.stringify(join(repositoryPath, 'daemon/dist/store/level.js'))}
const { batch } = LevelStore.prototype
LevelStore.prototype.batch = function (writes) { return batch.call(this, writes, { sync: false }) }
`

interface Answer {
  readonly atMs: number
  readonly id: string
}

/** What was answered, and when by the clock that the traces are by. */
interface Answers {
  readonly accepted: Answer[]
  readonly stored: Answer[]
  readonly acked: (Answer & { readonly index: number })[]
}

export async function run({ size, seed, log }: ProofOptions): Promise<ProofResult> {
  if (!hasStrace()) return { ok: true, counts: {}, notes: ['NOT PROVED HERE: there is no strace that may trace'] }
  const messages = size === 'full' ? 2_000 : 150
  const moments = size === 'full' ? 25 : 4
  const synced = await trial({ messages, moments, random: seededRandom(`synced ${seed}`), isSynced: true })
  log(`${synced.checked} answers looked for on the disks of ${moments} moments, ${synced.missing} missing`)
  const unsynced = await trial({ messages, moments, random: seededRandom(`unsynced ${seed}`), isSynced: false })
  log(`without syncs: ${unsynced.missing} of ${unsynced.checked} missing`)
  return {
    ok: synced.missing === 0 && synced.checked > 0 && unsynced.missing > 0,
    counts: {
      messages,
      moments,
      checked: synced.checked,
      missing: synced.missing,
      checkedWithoutSync: unsynced.checked,
      missingWithoutSync: unsynced.missing
    }
  }
}

function hasStrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false // It is not there, or this process may not trace: the caller says so.
  }
}

interface TrialOptions {
  readonly messages: number
  readonly moments: number
  readonly random: SeededRandom
  readonly isSynced: boolean
}

async function trial(options: TrialOptions): Promise<{ checked: number; missing: number }> {
  const { moments, random, isSynced } = options
  using aliceHome = makeTempHome()
  using bobHome = makeTempHome()
  const alice = new TracedDaemon(aliceHome, 'alice', isSynced)
  const bob = new TracedDaemon(bobHome, 'bob', isSynced)
  let answers: Answers
  try {
    await Promise.all([alice.ready(), bob.ready()])
    answers = await talk(alice, bob, options)
  } finally {
    await Promise.all([alice.kill(), bob.kill()])
  }
  const from = answers.accepted[0]?.atMs ?? 0
  const to = Math.max(...[...answers.accepted, ...answers.acked].map(({ atMs }) => atMs))
  let checked = 0
  let missing = 0
  for (let moment = 0; moment < moments; moment++) {
    const atMs = from + random.below(Math.ceil(to - from) + 1)
    const before = <T extends Answer>(list: readonly T[]): T[] => list.filter(answer => answer.atMs <= atMs)
    const sender = await recovered(alice, atMs)
    const receiver = await recovered(bob, atMs)
    const given = new Map(answers.acked.map(({ id, index }) => [id, index]))
    const isOnReceiver = ({ id }: Answer): boolean =>
      receiver.messages.has(id) || (given.get(id) ?? Number.POSITIVE_INFINITY) <= receiver.cursor
    const kept = [
      before(answers.accepted).map(({ id }) => sender.messages.has(id) || sender.isStored(id)),
      before(answers.stored).map(answer => isOnReceiver(answer) && receiver.isStored(answer.id)),
      before(answers.acked).map(({ index }) => index <= receiver.cursor)
    ].flat()
    checked += kept.length
    missing += kept.filter(isKept => !isKept).length
  }
  return { checked, missing }
}

/** Alice's app sends, bob's app reads and acknowledges, and both note when they were answered. */
async function talk(alice: TracedDaemon, bob: TracedDaemon, { messages, random }: TrialOptions): Promise<Answers> {
  await using sending = await connect({ socket: alice.socketPath })
  await using receiving = await connect({ socket: bob.socketPath })
  await sending.peers.add(await receiving.card(), { name: 'bob' })
  await receiving.peers.add(await sending.card(), { name: 'alice' })
  const answers: Answers = { accepted: [], stored: [], acked: [] }
  const reading = readAll(receiving, messages, answers)
  const stored: Promise<void>[] = []
  for (let sent = 0; sent < messages; ) {
    const count = Math.min(messages - sent, 1 + random.below(10))
    const sends = Array.from({ length: count }, async () => {
      const body = random.bytes(1 + random.below(2_000))
      const receipt = await sending.send('bob', body, { channel: `c${random.below(3)}` })
      answers.accepted.push({ atMs: nowMs(), id: receipt.id })
      stored.push(receipt.stored().then(() => void answers.stored.push({ atMs: nowMs(), id: receipt.id })))
    })
    await Promise.all(sends)
    sent += count
  }
  await Promise.all(stored)
  await reading
  return answers
}

async function readAll(client: Client, count: number, answers: Answers): Promise<void> {
  let left = count
  const acks: Promise<void>[] = []
  for await (const message of client.messages({ consumer: 'app' })) {
    const { id, index } = message
    acks.push(message.ack().then(() => void answers.acked.push({ atMs: nowMs(), id, index })))
    if (--left === 0) break
  }
  await Promise.all(acks)
}

const nowMs = (): number => performance.timeOrigin + performance.now()

interface Recovered {
  readonly messages: ReadonlySet<string>
  /** Of the consumer `app`. */
  readonly cursor: number
  /** Whether the mark of its lane says that a message is stored. */
  isStored(id: string): boolean
}

/** What a daemon would find on its disk after a power cut at that moment. */
async function recovered(daemon: TracedDaemon, atMs: number): Promise<Recovered> {
  using home = makeTempHome()
  mkdirSync(home.file('store'))
  for (const [name, content] of await diskAt(daemon.traceFile, daemon.storeFolder, atMs)) {
    writeFileSync(home.file(`store/${name}`), content)
  }
  for (const file of ['keyring', 'keyring.key']) copyFileSync(join(daemon.stateDir, file), home.file(file))
  const messages = new Set<string>()
  const marks = new Map<string, number>()
  let cursor = 0
  const summary = await exportStore({ stateDir: home.path }, async line => {
    if (typeof line['id'] === 'string' && 'body' in line) messages.add(line['id'])
    const value = (line['value'] ?? {}) as Record<string, unknown>
    const lane = value['number'] ?? value['lane']
    if (line['sublevel'] === 'lanes' && lane !== undefined)
      marks.set(`${value['epoch']}.${lane}`, Number(value['stored']))
    if (line['sublevel'] === 'consumers' && value['name'] === 'app') cursor = Number(value['cursor'])
  })
  if (summary.repaired) throw new Error('the disk of a moment held a damaged database')
  const isStored = (id: string): boolean => {
    const [epoch, lane, number] = id.split('.')
    return (marks.get(`${epoch}.${lane}`) ?? 0) >= Number(number)
  }
  return { messages, cursor, isStored }
}

/** A real daemon whose calls of the operating system are written down. */
class TracedDaemon {
  readonly stateDir: string
  readonly storeFolder: string
  readonly traceFile: string
  readonly socketPath: string
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>

  constructor(home: TempHome, id: string, isSynced: boolean) {
    this.stateDir = home.file('state')
    this.storeFolder = join(this.stateDir, 'store')
    this.traceFile = home.file('trace')
    this.socketPath = home.file('parley.sock')
    const preload = home.file('preload.mjs')
    writeFileSync(preload, isSynced ? '' : WITHOUT_SYNC)
    const command = [process.execPath, '--import', preload, parleyBin, 'up', '--home', home.path, '--id', id]
    this.#child = spawn('strace', [...STRACE_ARGS, '-o', this.traceFile, ...command], {
      env: {
        ...{ PATH: process.env['PATH'] ?? '', HOME: home.path, PARLEY_LISTEN: '/ip4/127.0.0.1/tcp/0' },
        ...{ PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'error' }
      },
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true
    })
    this.#exited = once(this.#child, 'exit')
  }

  async ready(): Promise<void> {
    const isReady = async (): Promise<boolean> => (await askSocket(this.socketPath, '/readyz'))?.status === 200
    await until('a traced daemon to be ready', isReady, { timeoutMs: 60_000 })
  }

  /** Ends the daemon and its tracer at once. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    process.kill(-pid, 'SIGKILL')
    await this.#exited
  }
}
