import type { Cursor, Entry, Restore, Seen, Sent, Told } from './books.ts'
import type { SimulationEvent } from './tally.ts'

// The promise, as short as it can be written: what apps handed over, what they were told of it, and what apps of the peer saw.
// Nothing here knows how it is kept.

const FINAL = new Set(['handled', 'expired', 'rejected', 'cancelled'])
const RANK: Readonly<Record<string, number>> = { accepted: 0, sent: 1, expiring: 2, stored: 3, handled: 4 }

/** Keeps the books, and says what is wrong with them. */
export class Model {
  readonly wrong: string[] = []
  readonly #count: (event: SimulationEvent) => void
  readonly #sent = new Map<string, Sent>()
  /** By sender and ID. */
  readonly #byId = new Map<string, Sent>()
  readonly #early = new Map<string, { readonly range: Told; readonly reload: number }[]>()
  readonly #byIndex = new Map<string, Entry>()
  readonly #byMessage = new Map<string, Entry>()
  readonly #byToken = new Map<string, Entry[]>()
  readonly #cursors = new Map<string, Cursor>()
  /** The highest index that an app acknowledged or was about to, by host. */
  readonly #asked = new Map<string, number>()
  readonly #rejected = new Set<string>()
  readonly #restores: Restore[] = []
  /** What a sender was told that its peer has forgotten. */
  readonly #forgotten = new Set<string>()
  readonly #blocked = new Map<string, number>()
  readonly #bootedMs = new Map<string, number>()
  readonly #promised = new Set<Sent>()
  readonly #strangers = new Set<string>()
  readonly #generations = new Map<string, number>()

  constructor(count: (event: SimulationEvent) => void) {
    this.#count = count
  }

  // What apps do

  send(message: Omit<Sent, 'was' | 'events'>): Sent {
    const sent: Sent = { ...message, was: new Set(), events: new Set() }
    this.#sent.set(sent.token, sent)
    return sent
  }

  accepted(sent: Sent, id: string, atMs: number): void {
    if (sent.id !== undefined && sent.id !== id) this.fault(`${sent.token} was accepted as ${sent.id} and as ${id}`)
    const other = this.#byId.get(`${sent.from} ${id}`)
    if (other !== undefined && other !== sent && !this.#wasRestored(sent.from))
      this.fault(`${id} was given to ${other.token} and to ${sent.token}`)
    sent.id = id
    sent.acceptedMs ??= atMs
    const key = `${sent.from} ${id}`
    this.#byId.set(key, sent)
    const early = this.#early.get(key) ?? []
    this.#early.delete(key)
    for (const { range, reload } of early) this.told(sent.from, id, range, 'event', reload)
    if (sent.isDurable) this.#count('message accepted')
  }

  refused(sent: Sent, code: string): void {
    sent.refused = code
  }

  /** An app of `from` was told how far its messages are, by a daemon that had read its store `reload` times.  */
  told(from: string, id: string, range: Told, how: 'event' | 'answer', reload: number): void {
    const { state, reached, reason } = range
    const sent = this.#byId.get(`${from} ${id}`)
    if (sent === undefined) {
      // The answer that it is accepted may be lost, and come later.
      push(this.#early, `${from} ${id}`, { range, reload })
      return
    }
    if (how === 'event') sent.events.add(state)
    const { told } = sent
    // What was told before the store was read anew, and is heard after.
    if (told !== undefined && reload < told.reload) {
      sent.was.add(state)
      return
    }
    // A sender that reads its store anew learns again from its peer what it had not put on disk; one that was restored knows nothing of it.
    const wasRestored = this.#wasRestored(from)
    const isNew = told === undefined || told.reload !== reload || wasRestored
    if (
      told !== undefined &&
      FINAL.has(told.state) &&
      told.state !== state &&
      !wasRestored &&
      !(isNew && !FINAL.has(state))
    )
      this.fault(`${sent.token} was told ${told.state} and then ${state}`)
    if (told !== undefined && !isNew && (RANK[told.state] ?? 0) > (RANK[state] ?? 9)) return
    if (!sent.was.has(state)) this.#countState(state, reached)
    sent.was.add(state)
    sent.told = { state, reload, ...(reached !== undefined && { reached }) }
    if (state === 'handled' && !this.#mayBeHandled(sent))
      this.fault(`${sent.token} is called handled and nobody acknowledged it`)
    if (state === 'rejected' && !this.#rejected.has(sent.token))
      this.fault(`${sent.token} is called rejected (${reason}) and nobody rejected it`)
  }

  /** A promise of the SDK was kept: the message is with the peer. */
  promised(from: string, id: string): void {
    const sent = this.#byId.get(`${from} ${id}`)
    if (sent !== undefined) this.#promised.add(sent)
  }

  /** An app saw a message. `generation` counts the restores of its host. */
  saw(seen: Seen, generation: number): void {
    const sent = this.#sent.get(seen.token)
    if (sent === undefined) {
      this.fault(`${seen.host} saw ${seen.id}, which nobody sent`)
      return
    }
    if (sent.to !== seen.host || sent.from !== seen.from) this.fault(`${seen.host} saw ${seen.token} from ${seen.from}`)
    this.#judgeTrust(seen, sent)
    this.#judgeEntry(seen, sent, generation)
    this.#judgeCursor(seen)
    if (sent.refused !== undefined) this.fault(`${seen.token} was refused (${sent.refused}) and delivered`)
  }

  ackAsked(host: string, index: number): void {
    this.#asked.set(host, Math.max(this.#asked.get(host) ?? 0, index))
  }

  acked(host: string, consumer: string, index: number): void {
    const cursor = this.#cursor(host, consumer)
    cursor.acked = Math.max(cursor.acked, index)
    this.#count('ack')
  }

  /** A daemon says how far a consumer is. What is not durable has no place on the disk, and its ack none. */
  cursorIs(host: string, consumer: string, at: number): void {
    const { acked, seen } = this.#cursor(host, consumer)
    const isDurable = (token: string) => this.#sent.get(token)?.isDurable === true
    const lost = [...seen].find(([index, token]) => index > at && index <= acked && isDurable(token))
    if (lost !== undefined)
      this.fault(`${consumer} of ${host} had acknowledged ${acked} and is at ${at}, before ${lost[1]}`)
  }

  rejectAsked(token: string): void {
    this.#rejected.add(token)
  }

  sought(host: string, consumer: string): void {
    this.#cursor(host, consumer).acked = 0
  }

  // What is done to hosts

  /** Returns what it is a restore of, by what has happened since the copy. */
  restored(host: string, copiedMs: number, atMs: number): readonly SimulationEvent[] {
    this.#restores.push({ host, copiedMs, atMs })
    const isSender = this.acceptedMessages().some(({ from, acceptedMs = 0 }) => from === host && acceptedMs > copiedMs)
    const isReceiver = [...this.#byIndex.values()].some(entry => entry.host === host && entry.atMs > copiedMs)
    this.#generations.set(host, (this.#generations.get(host) ?? 0) + 1)
    for (const key of [...this.#cursors.keys()]) if (key.startsWith(`${host} `)) this.#cursors.delete(key)
    return [
      ...(isSender ? (['restore of a sender'] as const) : []),
      ...(isReceiver ? (['restore of a receiver'] as const) : [])
    ]
  }

  /** A daemon is up; what its apps were told by the one before it need not come again. */
  booted(host: string, atMs: number): void {
    this.#bootedMs.set(host, atMs)
  }

  forgotten(from: string, id: string): void {
    const sent = this.#byId.get(`${from} ${id}`)
    if (sent !== undefined) this.#forgotten.add(sent.token)
  }

  /** `host` does not talk to `other` any more, since now. */
  blocked(host: string, other: string, atMs: number): void {
    this.#blocked.set(`${host} ${other}`, atMs)
  }

  unblocked(host: string, other: string): void {
    this.#blocked.delete(`${host} ${other}`)
  }

  /** `host` never knew `other`. */
  stranger(host: string, other: string): void {
    this.#strangers.add(`${host} ${other}`)
  }

  // What is asked at the end

  /** Durable messages that were accepted. */
  acceptedMessages(): readonly Sent[] {
    return [...this.#sent.values()].filter(({ id, isDurable }) => isDurable && id !== undefined)
  }

  hasSeen(token: string): boolean {
    return this.#byToken.has(token)
  }

  /** Whether nothing more is due of this message. */
  isSettled(sent: Sent): boolean {
    return (
      this.#isExcused(sent) ||
      this.#strangers.has(`${sent.to} ${sent.from}`) ||
      (sent.told !== undefined &&
        FINAL.has(sent.told.state) &&
        (sent.told.state !== 'handled' || this.hasSeen(sent.token)))
    )
  }

  /** Once all is mended and time has passed. */
  judgeEnd(): void {
    for (const sent of this.acceptedMessages()) this.#judgeFate(sent)
    this.#judgeOrder()
  }

  /** Where nothing was broken nothing is late, and nothing is lost that was not durable. */
  judgeCalm(latencyMsMax: number): void {
    for (const { token, id, acceptedMs = 0 } of this.#sent.values()) {
      const first = this.#byToken.get(token)?.[0]
      if (id !== undefined && first === undefined) this.fault(`${token} is lost, and nothing was broken`)
      if (first !== undefined && first.atMs - acceptedMs > latencyMsMax)
        this.fault(`${token} took ${first.atMs - acceptedMs} ms, and nothing was broken`)
    }
  }

  #judgeFate(sent: Sent): void {
    const { token, told } = sent
    const isSeen = this.hasSeen(token)
    if (isSeen || this.#promised.has(sent)) this.#judgeNever(sent)
    if (this.#strangers.has(`${sent.to} ${sent.from}`)) {
      if (told !== undefined && told.state !== 'expired' && told.state !== 'accepted' && told.state !== 'cancelled')
        this.fault(`${token} is ${told.state} at a peer that does not know its sender`)
      return
    }
    if (this.#isExcused(sent)) return
    if (told === undefined || !FINAL.has(told.state))
      this.fault(
        `${token} (${sent.id}) was accepted and is ${told?.state ?? 'in no state'} to the end${isSeen ? ', though it was seen' : ''}`
      )
    else if (!sent.events.has(told.state) && sent.startedMs > (this.#bootedMs.get(sent.from) ?? 0))
      this.fault(`${token} (${sent.id}) is ${told.state} and no event has told it`)
    else if (!isSeen && told.state !== 'expired' && told.state !== 'cancelled')
      this.fault(`${token} (${sent.id}) is ${told.state} and no app saw it`)
  }

  #judgeNever({ token, told, from, to, was }: Sent): void {
    if (this.#wasRestored(from)) return
    // What a receiver had before it was restored, it may skip now.
    const generation = this.#generations.get(to) ?? 0
    if (generation > 0 && this.#byToken.get(token)?.some(entry => entry.generation === generation) !== true) return
    if (told?.state === 'cancelled' || (told?.state === 'expired' && told.reached === 'no'))
      this.fault(`${token} is ${told.state} and was delivered (told: ${[...was].join(', ')})`)
  }

  #judgeOrder(): void {
    const lanes = new Map<string, Entry[]>()
    const streams = new Map<string, Entry[]>()
    for (const entry of this.#byIndex.values()) {
      push(lanes, `${entry.host} ${entry.generation} ${entry.id.slice(0, entry.id.lastIndexOf('.'))}`, entry)
      const sent = this.#sent.get(entry.token) as Sent
      if (!this.#wasRestored(sent.from) && !this.#wasRestored(sent.to)) push(streams, sent.stream, entry)
    }
    for (const [lane, entries] of lanes)
      this.#assertAscending(`lane ${lane}`, entries, ({ id }) => Number(id.slice(id.lastIndexOf('.') + 1)))
    for (const [stream, entries] of streams)
      this.#assertAscending(`stream ${stream}`, entries, ({ token }) => (this.#sent.get(token) as Sent).number)
  }

  #assertAscending(what: string, entries: readonly Entry[], key: (entry: Entry) => number): void {
    const problem = firstOutOfOrder(entries, key)
    if (problem !== undefined) this.fault(`${what}: ${problem}`)
  }

  #judgeTrust(seen: Seen, sent: Sent): void {
    const key = `${seen.host} ${seen.from}`
    const blockedMs = this.#blocked.get(key)
    if (this.#strangers.has(key)) this.fault(`${seen.host} saw ${seen.token}, and does not know ${seen.from}`)
    if (blockedMs !== undefined && sent.startedMs > blockedMs)
      this.fault(`${seen.host} saw ${seen.token} of ${seen.from}, who is blocked`)
  }

  #judgeEntry(seen: Seen, sent: Sent, generation: number): void {
    const entry: Entry = {
      host: seen.host,
      generation,
      index: seen.index,
      id: seen.id,
      token: seen.token,
      isMarked: seen.maybeDuplicate,
      atMs: seen.atMs
    }
    const index = `${seen.host} ${generation} ${seen.index}`
    const there = this.#byIndex.get(index)
    if (there !== undefined) {
      if (there.id !== seen.id || there.token !== seen.token)
        this.fault(
          `index ${seen.index} of ${seen.host} was ${there.token} (${there.id}) and is ${seen.token} (${seen.id})`
        )
      return
    }
    this.#byIndex.set(index, entry)
    const message = `${seen.host} ${generation} ${seen.from} ${seen.id}`
    const same = this.#byMessage.get(message)
    if (same !== undefined) this.fault(`${seen.token} (${seen.id}) has the indexes ${same.index} and ${seen.index}`)
    this.#byMessage.set(message, entry)
    const others = (this.#byToken.get(seen.token) ?? []).filter(other => other.generation === generation)
    if (others.length > 0 && !(this.#wasRestored(sent.from) && seen.maybeDuplicate))
      this.fault(`${seen.token} came as ${others[0]?.id} and as ${seen.id}`)
    push(this.#byToken, seen.token, entry)
    this.#count(sent.isDurable ? 'message delivered' : 'message not durable delivered')
  }

  #judgeCursor({ host, consumer, index, token, redelivered }: Seen): void {
    if (consumer === null) return
    const cursor = this.#cursor(host, consumer)
    if (cursor.seen.has(index)) {
      if (!redelivered) this.fault(`${consumer} of ${host} got ${token} (${index}) again, and it was not marked`)
      this.#count('redelivery')
    }
    cursor.seen.set(index, token)
  }

  #mayBeHandled(sent: Sent): boolean {
    const entries = this.#byToken.get(sent.token) ?? []
    return this.#wasRestored(sent.to) || entries.some(({ index }) => index <= (this.#asked.get(sent.to) ?? 0))
  }

  /** A restore may undo what was accepted since the copy, and what was stored since then where the sender was told so. */
  #isExcused(sent: Sent): boolean {
    return this.#restores.some(({ host, copiedMs, atMs }) => {
      const wasBefore = (sent.acceptedMs ?? sent.startedMs) <= atMs
      if (host === sent.from)
        return wasBefore && ((sent.acceptedMs ?? 0) >= copiedMs || this.hasSeen(sent.token) || sent.was.has('stored'))
      if (host !== sent.to || !wasBefore) return false
      return this.#forgotten.has(sent.token) || this.hasSeen(sent.token)
    })
  }

  #wasRestored(host: string): boolean {
    return (this.#generations.get(host) ?? 0) > 0
  }

  #cursor(host: string, consumer: string): Cursor {
    const key = `${host} ${consumer}`
    let cursor = this.#cursors.get(key)
    if (cursor === undefined) {
      cursor = { acked: 0, seen: new Map() }
      this.#cursors.set(key, cursor)
    }
    return cursor
  }

  #countState(state: string, reached: string | undefined): void {
    if (state === 'handled') this.#count('message handled')
    if (state === 'expired') this.#count(reached === 'maybe' ? 'expiry maybe' : 'expiry no')
    if (state === 'cancelled') this.#count('cancel')
  }

  /** Writes down what must not be. */
  fault(text: string): void {
    if (this.wrong.length < 20) this.wrong.push(text)
  }
}

/** By their indexes entries have ascending keys; otherwise the first that does not fit, in words. */
function firstOutOfOrder(entries: readonly Entry[], key: (entry: Entry) => number): string | undefined {
  const sorted = entries.toSorted((a, b) => a.index - b.index)
  for (const [at, after] of sorted.entries()) {
    const before = sorted[at - 1]
    if (before !== undefined && key(before) >= key(after))
      return `${after.token} (${after.index}) came after ${before.token} (${before.index})`
  }
  return undefined
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}
