import { ParleyError } from '@parley/client-sdk'
import { clock } from '../offline.ts'
import { LinkProxy, type LinkProxyCutOptions } from './link.ts'
import type { TestNode } from './test-node.ts'

/** A link as shown. */
export interface TestLinkInfo {
  readonly a: string
  readonly b: string
  /** `cut` refuses and resets, `silent` takes everything and passes nothing on. */
  readonly state: 'up' | 'cut' | 'silent'
  /** What every byte is held back, each way. */
  readonly delayMs: number
  /** That passed since the start, both ways, of connections that either opened. */
  readonly bytes: number
}

/** A link between two nodes: one proxy that each of them dials to reach the other. */
export class TestLink {
  readonly a: TestNode
  readonly b: TestNode
  /** Unix milliseconds at which the sessions that were up were broken for good, however late the daemons notice. */
  brokenAtMs = 0
  readonly #proxies: readonly [aToB: LinkProxy, bToA: LinkProxy]

  private constructor(a: TestNode, b: TestNode, proxies: readonly [LinkProxy, LinkProxy]) {
    this.a = a
    this.b = b
    this.#proxies = proxies
  }

  static async open(a: TestNode, b: TestNode): Promise<TestLink> {
    return new TestLink(a, b, await Promise.all([LinkProxy.open(b.asTarget()), LinkProxy.open(a.asTarget())]))
  }

  get state(): TestLinkInfo['state'] {
    return this.#proxies[0].state
  }

  get info(): TestLinkInfo {
    const [there, back] = this.#proxies
    const bytes = [there, back].reduce((sum, { counters }) => sum + counters.forwardBytes + counters.backwardBytes, 0)
    return { a: this.a.name, b: this.b.name, state: this.state, delayMs: there.delayMs, bytes }
  }

  joins(node: TestNode): boolean {
    return node === this.a || node === this.b
  }

  /** Where `from` dials to reach the other one. */
  addressFor(from: TestNode): string {
    return this.#proxies[from === this.a ? 0 : 1].address
  }

  cut(options: LinkProxyCutOptions): void {
    for (const proxy of this.#proxies) proxy.cut(options)
    if (this.state === 'cut') this.brokenAtMs = clock.wallMs()
  }

  heal(): void {
    if (this.state === 'up') return
    const isBroken = this.#proxies.map(proxy => proxy.heal()).includes(true)
    if (isBroken) this.brokenAtMs = clock.wallMs()
  }

  /** @throws {ParleyError} `USAGE` */
  delay(delayMs: number): void {
    if (!(delayMs >= 0 && delayMs <= DELAY_MS_MAX)) {
      throw new ParleyError('USAGE', `A delay is 0 to ${DELAY_MS_MAX} ms, not ${delayMs}.`)
    }
    for (const proxy of this.#proxies) proxy.delay(delayMs)
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map(proxy => proxy.close()))
  }
}

const DELAY_MS_MAX = 600_000
