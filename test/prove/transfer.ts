import { createCipheriv, createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type TestNode, Testnet } from '@parley/daemon/testnet'
import { parleyBin, StartedProcess } from '../support/daemon-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { makeTempHome, type TempHome } from '../support/temp-home.ts'
import { until, within } from '../support/until.ts'
import { vmHwmBytes } from '../support/vm-hwm.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'transfer'
export const describe =
  'a file over three cuts and a kill -9 on each side: hash equal, under 1.1 times its size on the wire, both daemons under 200 MiB'

const MiB = 1024 * 1024
const WIRE_SHARE_MAX = 1.1
const HWM_BYTES_MAX = 200 * MiB
const FILE_NAME = 'proof.bin'
const BLOCK_BYTES = 4 * MiB
/** Nothing may take longer between two interruptions than this. */
const STEP_TIMEOUT_MS = 240_000
const STALLED_MS = 500

/** Writes a file whose bytes follow from the seed, and returns its hash. */
async function writeFile(path: string, seed: string, sizeBytes: number): Promise<string> {
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  const hash = createHash('sha256')
  const zeros = new Uint8Array(BLOCK_BYTES)
  const file: FileHandle = await open(path, 'wx')
  try {
    for (let written = 0; written < sizeBytes; written += BLOCK_BYTES) {
      const block = cipher.update(zeros.subarray(0, Math.min(BLOCK_BYTES, sizeBytes - written)))
      hash.update(block)
      await file.write(block)
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, 'r')
  for await (const block of file.createReadStream({ highWaterMark: BLOCK_BYTES })) hash.update(block as Uint8Array)
  return hash.digest('hex')
}

/** The daemons, the file and the two commands that move it. */
class Scene implements AsyncDisposable {
  readonly net: Testnet
  readonly home: TempHome
  readonly sending: StartedProcess
  readonly receiving: StartedProcess
  hwmBytesMax = 0

  constructor(net: Testnet, home: TempHome) {
    this.net = net
    this.home = home
    const command = (args: readonly string[], node: string) =>
      new StartedProcess(parleyBin, [...args, '--json', '--socket', net.node(node).socket], { home: home.path })
    this.receiving = command(['receive-files', '--to', home.file('to'), '--count', '1'], 'bob')
    this.sending = command(['send-file', 'bob', home.file(FILE_NAME)], 'alice')
  }

  /** Bytes of the file that are on the receiver's disk. */
  get position(): number {
    const part = this.home.file(`to/${FILE_NAME}.part`)
    return existsSync(part) ? statSync(part).size : 0
  }

  async reached(bytes: number): Promise<void> {
    const look = () => {
      for (const { isRunning, stderr } of [this.sending, this.receiving]) {
        if (!isRunning) throw new Error(`a command ended too early: ${stderr}`)
      }
      return this.position >= bytes
    }
    await until(`${bytes} bytes of the file to be there`, look, { timeoutMs: STEP_TIMEOUT_MS, pauseMs: 5 })
  }

  /** Nothing has come for a while. */
  async stalled(): Promise<void> {
    let seen = { position: -1, atMs: 0 }
    const look = () => {
      const atMs = performance.now()
      if (this.position !== seen.position) seen = { position: this.position, atMs }
      return atMs - seen.atMs > STALLED_MS
    }
    await until('the file to stand still', look, { timeoutMs: STEP_TIMEOUT_MS })
  }

  noteMemory(): void {
    for (const { pid } of this.net.nodes) {
      if (pid !== undefined) this.hwmBytesMax = Math.max(this.hwmBytesMax, vmHwmBytes(pid) ?? 0)
    }
  }

  async kill(node: TestNode): Promise<void> {
    this.noteMemory()
    await node.kill()
    await node.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const command of [this.sending, this.receiving]) if (command.isRunning) await command.kill()
  }
}

/** Three cuts and two kills, each at a place that the seed chooses. */
async function interrupt(
  scene: Scene,
  sizeBytes: number,
  random: (below: number) => number,
  log: (line: string) => void
) {
  const { net } = scene
  const cut = async (silent: boolean): Promise<void> => {
    net.cut('alice', 'bob', { silent })
    const before = scene.position
    // The daemons hear of a cut that is loud; in one that is silent nothing arrives any more.
    if (silent) await scene.stalled()
    else await until('the cut to be noticed', async () => (await net.node('alice').status()).sessions === 0)
    net.heal('alice', 'bob')
    log(`cut${silent ? ' silently' : ''} at ${before} bytes`)
  }
  const steps = [
    () => cut(false),
    () => scene.kill(net.node('bob')),
    () => cut(true),
    () => scene.kill(net.node('alice')),
    () => cut(false)
  ]
  const share = sizeBytes / (steps.length + 1)
  for (const [index, step] of steps.entries()) {
    await scene.reached(Math.floor((index + 0.5) * share + random(Math.floor(share))))
    await step()
    log(`interruption ${index + 1} of ${steps.length} at ${scene.position} bytes`)
  }
}

export async function run({ size, seed, log }: ProofOptions): Promise<ProofResult> {
  const sizeBytes = size === 'full' ? 2_048 * MiB : 32 * MiB
  // What an interruption costs is at most the window: it is as small beside the short file as it is beside the long one.
  const env: Record<string, string> = size === 'full' ? {} : { PARLEY_LIMITS_TRANSFER_WINDOW_BYTES: String(512 * 1024) }
  const random = seededRandom(seed)
  using home = makeTempHome()
  const sha256 = await writeFile(home.file(FILE_NAME), seed, sizeBytes)
  await using net = await Testnet.start({ names: ['alice', 'bob'], env })
  const before = net.link('alice', 'bob').bytes
  const start = performance.now()
  await using scene = new Scene(net, home)
  await interrupt(scene, sizeBytes, random.below, log)
  const exits = await within(
    'both commands to end',
    STEP_TIMEOUT_MS,
    Promise.all([scene.sending.exited, scene.receiving.exited])
  )
  const seconds = (performance.now() - start) / 1_000
  scene.noteMemory()
  const wireBytes = net.link('alice', 'bob').bytes - before
  const notes: string[] = []
  for (const [index, command] of [scene.sending, scene.receiving].entries()) {
    if (exits[index]?.code !== 0) notes.push(`a command ended with ${exits[index]?.code}: ${command.stderr}`)
  }
  const received = home.file(`to/${FILE_NAME}`)
  if (!existsSync(received) || (await hashOfFile(received)) !== sha256)
    notes.push('the file that arrived is another one')
  if (!scene.sending.stdout.includes(sha256)) notes.push('the sender was told another hash')
  const files = readdirSync(home.file('to'))
  if (files.length !== 1) notes.push(`left behind: ${files.join(', ')}`)
  if (wireBytes > WIRE_SHARE_MAX * sizeBytes) notes.push(`${wireBytes} bytes on the wire`)
  if (scene.hwmBytesMax > HWM_BYTES_MAX) notes.push(`a daemon took ${scene.hwmBytesMax} bytes of memory`)
  return {
    ok: notes.length === 0,
    counts: {
      sizeBytes,
      wireBytes,
      wirePermille: Math.round((wireBytes / sizeBytes) * 1_000),
      cuts: 3,
      kills: 2,
      seconds: Math.round(seconds),
      megabytesPerSecond: Math.round(sizeBytes / 1_000_000 / seconds),
      hwmMiBMax: Math.round(scene.hwmBytesMax / MiB)
    },
    notes
  }
}
