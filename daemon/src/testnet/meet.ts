import type { Client, NodeEvent, PeerInfo, SessionState } from '@parley/client-sdk'
import type { TestLink } from './test-link.ts'
import type { TestNode } from './test-node.ts'

/** Does the work for each item, at most `limit` at once. After a failure none is begun any more; it is thrown when nothing is under way. */
export async function inParallel<T>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<void>
): Promise<void> {
  const left = items.values()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (failures.length > 0) return
      await work(item).catch(error => void failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
}

/** Who a node is linked with, and how it gets there. */
export interface Neighbour {
  readonly node: TestNode
  readonly link: TestLink
}

/** Makes each node's neighbours its contacts, by their cards, and then sends it to them by way of the links. */
export async function meet(
  nodes: readonly TestNode[],
  neighboursOf: (node: TestNode) => readonly Neighbour[],
  signal: AbortSignal
): Promise<void> {
  const clients = new Map<TestNode, Client>()
  const withEach = (work: (client: Client, node: TestNode) => Promise<void>): Promise<void> =>
    inParallel(16, [...clients], ([node, client]) => work(client, node))
  try {
    await inParallel(16, nodes, async node => void clients.set(node, await node.connect({ signal })))
    const cards = new Map<TestNode, string>()
    await withEach(async (client, node) => void cards.set(node, await client.card({ signal })))
    // All contacts before the first way: nobody dials one that does not know it yet.
    await withEach(async (client, node) => {
      for (const { node: other } of neighboursOf(node)) {
        await client.peers.add(cards.get(other) ?? '', { name: other.name, signal })
      }
    })
    await withEach(async (client, node) => {
      for (const { node: other, link } of neighboursOf(node)) {
        await client.peers.update(other.name, [link.addressFor(node)], { signal })
      }
    })
  } finally {
    await Promise.all([...clients.values()].map(client => client.close({ drain: false })))
  }
}

/** The contacts of one node that are not in session yet, kept true by its events. */
export class MissingSessions {
  /** By libp2p node ID. */
  readonly #links: ReadonlyMap<string, TestLink>
  #wanted = new Map<string, { readonly name: string; readonly link: TestLink }>()
  #missing = new Set<string>()

  /** @param neighbours - those that are waited for, where they are contacts */
  constructor(neighbours: readonly Neighbour[]) {
    this.#links = new Map(neighbours.map(({ node, link }) => [node.nodeId, link]))
  }

  get names(): string[] {
    return [...this.#missing].map(contact => this.#wanted.get(contact)?.name ?? contact)
  }

  /** Resolves once all of them are in session at the same time. @throws the signal's reason */
  async wait(client: Client, signal: AbortSignal): Promise<void> {
    await using events = client.events({ signal })
    await events.ready()
    this.#read(await client.peers.list({ signal }))
    while (this.#missing.size > 0) {
      const { done, value } = await events.next()
      if (done) break
      if (value.kind === 'gap') this.#read(await client.peers.list({ signal }))
      else this.#follow(value)
    }
    signal.throwIfAborted()
  }

  #read(peers: readonly PeerInfo[]): void {
    this.#wanted.clear()
    this.#missing.clear()
    for (const { contact, name, nodeId, session } of peers) {
      const link = this.#links.get(nodeId)
      if (link === undefined) continue
      this.#wanted.set(contact, { name, link })
      if (!isUp(session.state) || session.since < link.brokenAtMs) this.#missing.add(contact)
    }
  }

  #follow(event: NodeEvent): void {
    if (event.kind !== 'peer.session') return
    const link = this.#wanted.get(event.contact)?.link
    if (link === undefined) return
    if (isUp(event.state) && event.at >= link.brokenAtMs) this.#missing.delete(event.contact)
    else this.#missing.add(event.contact)
  }
}

function isUp(state: SessionState): boolean {
  return state === 'established' || state === 'rekeying'
}
