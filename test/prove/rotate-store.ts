import { connect } from '@parley/client-sdk'
import { SystemClock } from '../../daemon/src/actor/system-clock.ts'
import { systemRandomBytes } from '../../daemon/src/random.ts'
import { exportStore } from '../../daemon/src/store/export-store.ts'
import { sealerOf } from '../../daemon/src/store/sealed.ts'
import type { StoreKeys } from '../../daemon/src/store/store-keys.ts'
import { type DaemonProcess, startDaemon } from '../support/daemon-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { filesIn, keyringOf, receiveFromBob, type SealedRecord, sealedRecords } from '../support/store-home.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'rotate-store'
export const describe =
  'a rotation of the store key killed at random points, beside traffic, loses nothing, and the old key opens nothing afterwards'

const ENV = { PARLEY_NODE_PROFILE: 'test', PARLEY_LOG_LEVEL: 'error' }
const SIZES = {
  full: { kills: 100, received: 200, queued: 3_000 },
  short: { kills: 5, received: 10, queued: 400 }
}
const clock = new SystemClock()
/** Pieces of old cells that are looked for in the files. */
const PIECE_BYTES = 24

export async function run({ seed, size, log, signal }: ProofOptions): Promise<ProofResult> {
  const { kills, received, queued } = SIZES[size]
  const random = seededRandom(seed)
  using home = makeTempHome()
  using bobsHome = makeTempHome()
  const folder = home.file('state/store')
  const texts = new Set<string>()
  const counts = {
    kills: 0,
    killsDuringRotation: 0,
    rotations: 0,
    messages: 0,
    oldRecordsTried: 0,
    opened: 0,
    piecesFound: 0,
    lost: 0
  }
  let daemon: DaemonProcess = await startDaemon({ home: home.path, args: ['--id', 'alice'], env: ENV })
  try {
    {
      await using client = await connect({ socket: daemon.socketPath })
      const incoming = Array.from({ length: received }, (_, at) => `received ${at}`)
      await receiveFromBob(client, bobsHome.path, ENV, incoming)
      for (const text of incoming) texts.add(text)
      for (let at = 0; at < queued; at++) {
        await client.send('bosun', `queued ${at} ${'x'.repeat(random.below(2_000))}`, { channel: `c${at % 7}` })
        texts.add(`queued ${at}`)
      }
    }
    for (; counts.kills < kills; counts.kills++) {
      signal.throwIfAborted()
      await using client = await connect({ socket: daemon.socketPath })
      const sending = keepSending(client, counts.kills, texts)
      await client.call('keys.rotate-store', {})
      await pause(random.below(counts.kills % 2 === 0 ? 60 : 900))
      await daemon.kill()
      await sending
      if ((await keyringOf(home.path)).storeKeys.count > 1) counts.killsDuringRotation++
      daemon = await startDaemon({ home: home.path, env: ENV })
      if (counts.kills % 10 === 9) log(`${counts.kills + 1} kills, ${counts.killsDuringRotation} of them in a rotation`)
    }
    await finished(daemon)
    await daemon.stop()
    const before = await keyringOf(home.path)
    const old = await sealedRecords(folder, home.file('before'))
    daemon = await startDaemon({ home: home.path, env: ENV })
    const rotated = await daemon.parley(['keys', 'rotate-store'], { timeoutMs: 100_000 })
    if (rotated.code !== 0) throw new Error(`parley keys rotate-store: ${rotated.stderr}`)
    await daemon.stop()
    const now = await keyringOf(home.path)
    counts.rotations = now.storeKeys.newest - 1
    const records = await sealedRecords(folder, home.file('after'))
    counts.oldRecordsTried = records.length
    counts.opened = openedBy(before.storeKeys, records)
    counts.piecesFound = piecesIn(filesIn(folder), old)
    const found = new Set<string>()
    const summary = await exportStore({ stateDir: home.file('state') }, async line => {
      const text = /^(?:received|queued|late) [\d.]+/.exec(String(line['text'] ?? ''))?.[0]
      if (text !== undefined) found.add(text)
    })
    counts.messages = texts.size
    counts.lost = [...texts].filter(text => !found.has(text)).length
    const notes = Object.entries(summary.damaged).map(
      ([sublevel, count]) => `${count} records of ${sublevel} do not open`
    )
    if (now.storeKeys.count !== 1) notes.push('the old key is still in the keyring')
    if (counts.killsDuringRotation === 0) notes.push('no kill fell into a rotation')
    const ok = counts.lost === 0 && counts.opened === 0 && counts.piecesFound === 0 && notes.length === 0
    return { ok, counts, notes }
  } finally {
    if (daemon.isRunning) await daemon.kill()
  }
}

type Connected = Awaited<ReturnType<typeof connect>>

/** Sends until the daemon is gone; what was accepted counts. */
async function keepSending(client: Connected, round: number, texts: Set<string>): Promise<void> {
  for (let at = 0; ; at++) {
    const text = `late ${round}.${at}`
    try {
      await client.send('bosun', text, { channel: 'late', timeoutMs: 500 })
    } catch {
      // The daemon was killed: whether this one was accepted nobody knows.
      return
    }
    texts.add(text)
  }
}

async function finished(daemon: DaemonProcess): Promise<void> {
  await using client = await connect({ socket: daemon.socketPath })
  const isDone = async (): Promise<boolean> => !(await client.call('keys.show', {})).rotating
  await until('the rotation to end', isDone, { timeoutMs: 100_000 })
}

/** How many records the keys from before open. */
function openedBy(keys: StoreKeys, records: readonly SealedRecord[]): number {
  const sealer = sealerOf(keys, systemRandomBytes)
  return records.filter(({ sublevel, key, value }) => {
    try {
      return sealer.open(sublevel, key, value) !== undefined
    } catch {
      return false // Refused, as it must be.
    }
  }).length
}

/** How many of the old cells are in the files still. */
function piecesIn(files: Buffer, old: readonly SealedRecord[]): number {
  // Behind the key's number and the header's fixed fields: nonce and tag, which are random.
  return old.filter(({ value }) => files.includes(Buffer.from(value.subarray(20, 20 + PIECE_BYTES)))).length
}

function pause(delayMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  clock.timer(delayMs, resolve)
  return promise
}
