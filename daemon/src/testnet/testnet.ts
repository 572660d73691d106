import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ParleyError } from '@parley/client-sdk'
import { deadline } from './daemon-socket.ts'
import type { LinkProxyCutOptions } from './link.ts'
import { inParallel, MissingSessions, meet } from './meet.ts'
import { checkSocketPaths, namesOf, perProcessOf, type TestnetOptions } from './options.ts'
import { Slot } from './slot.ts'
import { TestLink, type TestLinkInfo } from './test-link.ts'
import { TestNode } from './test-node.ts'
import { linkedPairs } from './topology.ts'

const START_TIMEOUT_MS = 120_000
const READY_TIMEOUT_MS = 30_000
/** The start of a daemon is work for one core and some waiting. */
const STARTS_PER_CORE = 2

/** A node, its name, or its place from 0. */
export type NodeRef = TestNode | string | number

/**
 * Real daemons on this host that know each other, with links between them that can be cut, delayed and healed.
 *
 * Every link is a proxy each way, which the two daemons have as the other's address (`peers.update`), also after a restart. Nothing is
 * left of it after `stop`: no process, no file. Hold it by `await using`, or stop it in `finally`.
 */
export class Testnet implements AsyncDisposable {
  /** The folder of the homes. */
  readonly dir: string
  readonly nodes: readonly TestNode[]
  readonly #isOwnDir: boolean
  readonly #slots: readonly Slot[]
  readonly #onExit = (): void => this.#abandon()
  #links: readonly TestLink[] = []
  #stopping: Promise<void> | undefined

  private constructor(dir: string, isOwnDir: boolean, options: TestnetOptions) {
    const { env = {} } = options
    const names = namesOf(options)
    const perProcess = perProcessOf(options)
    this.dir = dir
    this.#isOwnDir = isOwnDir
    this.#slots = Array.from(
      { length: Math.ceil(names.length / perProcess) },
      () => new Slot({ isShared: perProcess > 1, env })
    )
    this.nodes = names.map(
      (name, index) => new TestNode(name, dir, this.#slots[Math.floor(index / perProcess)] as Slot)
    )
    process.on('exit', this.#onExit)
  }

  /**
   * Starts the daemons, makes those that are linked contacts, and resolves when all their sessions are up. What fails leaves nothing
   * behind.
   *
   * @throws {ParleyError} `USAGE`; `TESTNET_EXISTS` a home is there already; `SOCKET_PATH_TOO_LONG`; `TIMED_OUT`; `DAEMON_UNREACHABLE` a
   * daemon ended at once; the signal's reason
   */
  static async start(options: TestnetOptions = {}): Promise<Testnet> {
    const { timeoutMs = START_TIMEOUT_MS, signal } = options
    perProcessOf(options)
    const names = namesOf(options)
    signal?.throwIfAborted()
    const { dir, isOwn } = await makeDir(options.dir, names)
    const net = new Testnet(dir, isOwn, options)
    using late = deadline(timeoutMs, `The test network was not up in ${timeoutMs} ms.`, signal)
    try {
      await net.#start(options, late.signal)
      return net
    } catch (error) {
      await net.stop()
      throw error
    }
  }

  /** A node by its name, or by its place from 0. @throws {ParleyError} `NO_SUCH_NODE` */
  node(which: NodeRef): TestNode {
    const found = this.nodes.find((node, index) => node === which || node.name === which || index === which)
    if (found !== undefined) return found
    const names = this.nodes.map(({ name }) => name).join(', ')
    throw new ParleyError('NO_SUCH_NODE', `There is no node ${String(which)}; there are ${names}.`)
  }

  /**
   * Cuts a link, both ways, until it is healed. Loud: what is open is reset, and every new connection is. `silent`: both sides may go on
   * sending, and nothing arrives, as when a cable is pulled.
   *
   * @throws {ParleyError} `NO_SUCH_NODE`, also where the two are not linked
   */
  cut(a: NodeRef, b: NodeRef, options: LinkProxyCutOptions = {}): void {
    this.#link(a, b).cut(options)
  }

  /** Heals a link, or all of a node, or all. Connections that lost bytes are reset; delays stay. @throws {ParleyError} `NO_SUCH_NODE` */
  heal(a?: NodeRef, b?: NodeRef): void {
    if (a !== undefined && b !== undefined) {
      this.#link(a, b).heal()
      return
    }
    const node = a === undefined ? undefined : this.node(a)
    for (const link of this.#links) if (node === undefined || link.joins(node)) link.heal()
  }

  /** Holds every byte of a link back for `delayMs`, each way, from now on; 0 ends that. @throws {ParleyError} `NO_SUCH_NODE` `USAGE` */
  delay(a: NodeRef, b: NodeRef, delayMs: number): void {
    this.#link(a, b).delay(delayMs)
  }

  /** One link, or all of them. @throws {ParleyError} `NO_SUCH_NODE` */
  link(a: NodeRef, b: NodeRef): TestLinkInfo {
    return this.#link(a, b).info
  }

  links(): readonly TestLinkInfo[] {
    return this.#links.map(link => link.info)
  }

  /**
   * Resolves once every link that is not cut has its session, seen from both ends. Nodes that the test network does not run are left out,
   * but for those that answer because somebody started them by hand.
   *
   * @throws {ParleyError} `TIMED_OUT`, saying who misses whom
   */
  async ready(options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}): Promise<void> {
    const { timeoutMs = READY_TIMEOUT_MS, signal } = options
    const up = new Set<TestNode>()
    await inParallel(16, this.nodes, async node => {
      if (node.pid !== undefined || (await node.status()).state !== 'down') up.add(node)
    })
    const links = this.#links.filter(({ a, b, state }) => state === 'up' && up.has(a) && up.has(b))
    const waits = [...up].map(node => ({
      node,
      missing: new MissingSessions(neighbours(links, node))
    }))
    using late = deadline(timeoutMs, 'over', signal)
    try {
      await Promise.all(waits.map(({ node, missing }) => this.#waitFor(node, missing, late.signal)))
    } catch (error) {
      if (!late.signal.aborted || signal?.aborted) throw error
      const words = waits.flatMap(({ node, missing }) => missing.names.map(name => `${node.name} with ${name}`))
      throw new ParleyError('TIMED_OUT', `No session in ${timeoutMs} ms: ${words.join(', ')}.`, { cause: error })
    }
  }

  /**
   * Stops every daemon, also one that somebody started by hand in a home of this test network, and removes all homes.
   *
   * @throws {ParleyError} `TIMED_OUT` where a daemon that was started by hand does not end; its home stays
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(options: TestnetOptions, signal: AbortSignal): Promise<void> {
    const { topology = 'full', settings = {} } = options
    for (const node of this.nodes) await node.prepare(settings)
    signal.throwIfAborted()
    await inParallel(availableParallelism() * STARTS_PER_CORE, this.nodes, node => node.start({ signal }))
    const pairs = linkedPairs(topology, this.nodes.length)
    const links: TestLink[] = []
    this.#links = links
    for (const [a, b] of pairs) links.push(await TestLink.open(this.node(a), this.node(b)))
    await meet(this.nodes, node => neighbours(links, node), signal)
    for (const node of this.nodes) node.openFrontDoor()
    await this.ready({ timeoutMs: options.timeoutMs ?? START_TIMEOUT_MS, signal })
  }

  async #waitFor(node: TestNode, missing: MissingSessions, signal: AbortSignal): Promise<void> {
    const client = await node.connect({ wait: true, signal })
    try {
      await missing.wait(client, signal)
    } finally {
      await client.close({ drain: false })
    }
  }

  #link(a: NodeRef, b: NodeRef): TestLink {
    const [first, second] = [this.node(a), this.node(b)]
    const found = this.#links.find(link => first !== second && link.joins(first) && link.joins(second))
    if (found !== undefined) return found
    throw new ParleyError('NO_SUCH_NODE', `${first.name} and ${second.name} are not linked.`)
  }

  async #stop(): Promise<void> {
    // The proxies first: a goodbye that cannot arrive would hold its daemon up.
    await Promise.all([...this.#links.map(link => link.close()), ...this.nodes.map(node => node.disconnect())])
    const stopped = await Promise.allSettled(this.nodes.map(node => node.stop()))
    for (const slot of this.#slots) await slot.end()
    process.off('exit', this.#onExit)
    const failed = stopped.find(({ status }) => status === 'rejected')
    await Promise.all(
      this.nodes.filter((_, index) => stopped[index]?.status === 'fulfilled').map(node => node.remove())
    )
    if (failed?.status === 'rejected') throw failed.reason
    if (this.#isOwnDir) await rm(this.dir, { recursive: true, force: true })
  }

  /** The process ends without `stop`: nothing that it started may live on. */
  #abandon(): void {
    for (const slot of this.#slots) slot.signal('SIGKILL')
    for (const { home } of this.nodes) rmSync(home, { recursive: true, force: true })
    if (this.#isOwnDir) rmSync(this.dir, { recursive: true, force: true })
  }
}

function neighbours(links: readonly TestLink[], node: TestNode): { node: TestNode; link: TestLink }[] {
  return links.filter(link => link.joins(node)).map(link => ({ node: link.a === node ? link.b : link.a, link }))
}

async function makeDir(asked: string | undefined, names: readonly string[]): Promise<{ dir: string; isOwn: boolean }> {
  const dir = asked === undefined ? join(tmpdir(), 'parley-net-') : resolve(asked)
  checkSocketPaths(asked === undefined ? `${dir}XXXXXX` : dir, names)
  if (asked === undefined) return { dir: await mkdtemp(dir), isOwn: true }
  // The first folder that was made, undefined where all were there.
  return { dir, isOwn: (await mkdir(dir, { recursive: true, mode: 0o700 })) !== undefined }
}
