import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { ParleyError } from '@parley/client-sdk'
import {
  askManager,
  type ControlRequest,
  checkOwner,
  controlSocketOf,
  type ManagerOptions,
  markerOf,
  type TestnetInfo
} from './control.ts'
import { ControlServer } from './control-server.ts'
import { isAlive } from './liveness.ts'
import { Slot } from './slot.ts'
import { TestNode } from './test-node.ts'
import { Testnet } from './testnet.ts'
import type { Topology } from './topology.ts'

/** One test network and the socket by which commands reach it. The folder is theirs alone. */
export class Manager {
  readonly #options: ManagerOptions
  readonly #starting = new AbortController()
  readonly #stopRequested = Promise.withResolvers<void>()
  readonly #gone = Promise.withResolvers<void>()
  #state: TestnetInfo['state'] = 'starting'
  #control: ControlServer | undefined
  #net: Testnet | undefined

  constructor(options: ManagerOptions) {
    this.#options = options
    this.#gone.promise.catch(() => undefined) // whoever waits for it hears of it
  }

  /** Starts everything, or leaves nothing behind. @throws {ParleyError} `TESTNET_EXISTS` `USAGE` `FORBIDDEN`, and those of `Testnet.start` */
  async start(): Promise<void> {
    const { dir, topology = 'full' } = this.#options
    await claim(dir)
    try {
      this.#control = await ControlServer.listen(controlSocketOf(dir), request => this.#answer(request))
      const given = { ...this.#options, topology: topology as Topology }
      this.#net = await Testnet.start({ ...given, signal: this.#starting.signal })
      this.#state = 'up'
    } catch (error) {
      await this.#remove()
      throw error
    }
  }

  /** Resolves when a command or a signal has asked for the end. */
  get stopRequested(): Promise<void> {
    return this.#stopRequested.promise
  }

  requestStop(): void {
    this.#state = 'stopping'
    this.#starting.abort(new ParleyError('STOPPED', 'The test network was stopped while it started.'))
    this.#stopRequested.resolve()
  }

  /** Stops all that runs in the folder, and removes it. */
  async stop(): Promise<void> {
    this.requestStop()
    try {
      await this.#net?.stop()
    } catch (error) {
      // A daemon that was started by hand does not end: its home stays, and `down` can be tried again.
      this.#gone.reject(error)
      await this.#control?.close()
      throw error
    }
    await this.#remove()
  }

  async #remove(): Promise<void> {
    await rm(this.#options.dir, { recursive: true, force: true, maxRetries: 5 })
    this.#gone.resolve()
    await this.#control?.close()
  }

  async #answer(request: ControlRequest): Promise<unknown> {
    switch (request.method) {
      case 'ls':
        return this.#info()
      case 'cut': {
        const { a, b, silent } = request.params
        this.#running().cut(a, b, { silent })
        return { links: [this.#running().link(a, b)] }
      }
      case 'delay': {
        const { a, b, delayMs } = request.params
        this.#running().delay(a, b, delayMs)
        return { links: [this.#running().link(a, b)] }
      }
      case 'heal': {
        const { a, b } = request.params
        this.#running().heal(a, b)
        return { links: a !== undefined && b !== undefined ? [this.#running().link(a, b)] : this.#running().links() }
      }
      case 'down':
        this.requestStop()
        await this.#gone.promise
        return { pid: process.pid }
      default:
        throw new ParleyError('METHOD_NOT_FOUND', 'The test network does not know that command.')
    }
  }

  async #info(): Promise<TestnetInfo> {
    const nodes = await Promise.all((this.#net?.nodes ?? []).map(node => node.status()))
    const { dir } = this.#options
    return { dir, pid: process.pid, state: this.#state, nodes, links: this.#net?.links() ?? [] }
  }

  #running(): Testnet {
    if (this.#net !== undefined && this.#state === 'up') return this.#net
    throw new ParleyError('NOT_READY', `The test network is ${this.#state}.`)
  }
}

/** Stops the daemons that a test network left behind whose process is gone, and removes the folder. @throws {ParleyError} `NO_SUCH_TESTNET` */
export async function sweep(dir: string): Promise<void> {
  checkOwner(dir, userInfo().uid)
  if (!existsSync(markerOf(dir))) throw new ParleyError('NO_SUCH_TESTNET', `No test network was in ${dir}.`)
  const slot = new Slot({ isShared: false, env: {} })
  const entries = await readdir(dir, { withFileTypes: true })
  const homes = entries.filter(entry => entry.isDirectory()).map(({ name }) => new TestNode(name, dir, slot))
  await Promise.all(homes.map(home => home.stop()))
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
}

/** Takes a folder that nobody uses: a new one, an empty one, or what a process left behind that is gone. */
async function claim(dir: string): Promise<void> {
  const { uid } = userInfo()
  checkOwner(dir, uid)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  checkOwner(dir, uid)
  try {
    // Who makes the file has the folder: two that start at once are told apart here.
    await writeFile(markerOf(dir), JSON.stringify({ pid: process.pid }), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const { pid } = JSON.parse(await readFile(markerOf(dir), 'utf8')) as { pid: number }
    if (isAlive(pid) || (await isServed(dir))) throw new ParleyError('TESTNET_EXISTS', `A test network runs in ${dir}.`)
    await sweep(dir)
    return claim(dir)
  }
  if ((await readdir(dir)).length === 1) return
  await rm(markerOf(dir))
  throw new ParleyError('USAGE', `${dir} is not empty, and no test network was there.`, {
    action: 'Name an empty folder, or one that is not there, with --dir.'
  })
}

async function isServed(dir: string): Promise<boolean> {
  try {
    await askManager(dir, 'ls', {})
    return true
  } catch (error) {
    if (error instanceof ParleyError && error.code === 'NO_SUCH_TESTNET') return false
    throw error
  }
}
