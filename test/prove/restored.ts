import { cpSync, rmSync } from 'node:fs'
import { type Client, connect, type NodeEvent } from '@parley/client-sdk'
import { Pair, type Side } from '../support/pair.ts'
import { makeTempHome } from '../support/temp-home.ts'
import { until, within } from '../support/until.ts'
import type { ProofOptions, ProofResult } from './proof.ts'

export const name = 'restored'
export const describe =
  'a store put back from a copy taken 100 messages ago, of the sender and of the receiver: nothing new is lost or falsely stored, and both are told'

const BEFORE = 100
const SINCE = 100
const AFTER = 200
const CHANNEL = 'restored'

export async function run({ log }: ProofOptions): Promise<ProofResult> {
  const counts: Record<string, number> = {}
  const wrong: string[] = []
  for (const role of ['sender', 'receiver'] as const) {
    await using pair = await Pair.start()
    const outcome = await restoreOne(pair, role)
    for (const [what, count] of Object.entries(outcome.counts)) counts[`${role}_${what}`] = count
    wrong.push(...outcome.wrong.map(text => `${role}: ${text}`))
    log(`${role} restored: ${JSON.stringify(outcome.counts)}`)
  }
  return { ok: wrong.length === 0, counts: { ...counts, wrong: wrong.length }, notes: wrong.slice(0, 10) }
}

/** Alice sends to bob throughout; the store of one of them is put back on the way. */
async function restoreOne(
  pair: Pair,
  role: 'sender' | 'receiver'
): Promise<{ counts: Record<string, number>; wrong: string[] }> {
  const restored = role === 'sender' ? pair.alice : pair.bob
  using copy = makeTempHome()
  const events = new EventLog(pair.alice.client)
  const log = new TextLog(pair.bob)
  await sendAndStore(pair, 0, BEFORE)
  await log.holds(0, BEFORE)
  await pair.restart(restored, async () => copyStore(restored.home.path, copy.path))
  await pair.inSession()
  await sendAndStore(pair, BEFORE, BEFORE + SINCE)
  await log.holds(BEFORE, BEFORE + SINCE)
  await log.stop()
  await pair.restart(restored, async () => {
    copyStore(copy.path, restored.home.path)
  })
  await pair.inSession()
  const after = new TextLog(pair.bob)
  const from = BEFORE + SINCE
  await sendAndStore(pair, from, from + AFTER)
  await after.holds(from, from + AFTER)
  await after.stop()
  const kind = role === 'sender' ? 'store.rolled-back' : 'peer.lost-state'
  await until(`the event ${kind}`, () => events.count(kind) > 0)
  await events.stop()
  const wrong = after.problems(from, from + AFTER)
  const lost = events.lostCount
  if (role === 'receiver' && lost !== SINCE) wrong.push(`${lost} messages are reported as forgotten where ${SINCE} are`)
  return {
    counts: {
      before: BEFORE,
      since: SINCE,
      after: AFTER,
      arrivedAfter: after.countOf(from),
      events: events.count(kind),
      reportedLost: lost
    },
    wrong
  }
}

/** Sends texts `from` to `to - 1`, and waits until bob's daemon has them all. */
async function sendAndStore({ alice }: Pair, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, offset) => from + offset)
  const receipts = await Promise.all(
    numbers.map(number => alice.client.send('bob', String(number), { channel: CHANNEL }))
  )
  await within('all to be stored', 30_000, Promise.all(receipts.map(receipt => receipt.stored())))
}

/** Of one home to another; neither has a daemon. */
function copyStore(from: string, to: string): void {
  rmSync(`${to}/state/store`, { recursive: true, force: true })
  cpSync(`${from}/state/store`, `${to}/state/store`, { recursive: true })
}

/** What an app of bob reads. */
class TextLog {
  readonly #seen: { readonly number: number; readonly index: number; readonly maybeDuplicate: boolean }[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor({ daemon }: Side) {
    this.#done = this.#read(daemon.socketPath)
    this.#done.catch(() => undefined) // it is thrown by `stop`
  }

  async #read(socket: string): Promise<void> {
    await using client = await connect({ socket, wait: true })
    try {
      for await (const message of client.messages({ channel: CHANNEL, consumer: 'log', signal: this.#stop.signal })) {
        const { index, maybeDuplicate } = message
        this.#seen.push({ number: Number(message.text()), index, maybeDuplicate })
        await message.ack()
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }

  async holds(from: number, to: number): Promise<void> {
    await until(`texts ${from} to ${to - 1} to be read`, () => this.countOf(from) >= to - from, { timeoutMs: 30_000 })
  }

  countOf(from: number): number {
    return new Set(this.#seen.filter(({ number }) => number >= from).map(({ number }) => number)).size
  }

  /** What is wrong with the texts from `from` on: each once, unless it is marked, in order. */
  problems(from: number, to: number): string[] {
    const fresh = this.#seen.filter(({ number, maybeDuplicate }) => number >= from && !maybeDuplicate)
    const expected = Array.from({ length: to - from }, (_, offset) => from + offset)
    const got = fresh.map(({ number }) => number)
    return got.join() === expected.join() ? [] : [`read ${got.join()}`]
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }
}

class EventLog {
  readonly #events: NodeEvent[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(client: Client) {
    this.#done = this.#follow(client)
  }

  async #follow(client: Client): Promise<void> {
    for await (const event of client.events({ after: 'start', signal: this.#stop.signal })) {
      if (event.kind !== 'gap') this.#events.push(event)
    }
  }

  count(kind: NodeEvent['kind']): number {
    return this.#events.filter(event => event.kind === kind).length
  }

  get lostCount(): number {
    return this.#events.reduce((sum, event) => sum + (event.kind === 'peer.lost-state' ? event.count : 0), 0)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }
}
