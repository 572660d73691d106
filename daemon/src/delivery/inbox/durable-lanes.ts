import type { EventBody } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import { hexOf, joinBytes } from '../../identity/fields.ts'
import { PeerFault } from '../../peer/fault.ts'
import type { Store } from '../../store/port.ts'
import type { Sealer } from '../../store/sealer.ts'
import type { GroupCommit } from '../commit.ts'
import { idRange } from '../message-id.ts'
import {
  type DurableLaneOpen,
  type DurableReceiving,
  type DurableRun,
  type IncomingAttachment,
  type IncomingSession,
  type LaneMark,
  NEW_LANE_CREDIT_BYTES,
  NEW_LANE_CREDIT_MESSAGES,
  type Receipt
} from '../port.ts'
import { Arrivals } from './arrivals.ts'
import { Attachment, type AttachmentHost } from './attachment.ts'
import type { Bodies } from './bodies.ts'
import type { Distribution } from './distribution.ts'
import { DurableCredit, type DurableCreditOptions, type IncomingLane } from './durable-credit.ts'
import { DurableLane } from './durable-lane.ts'
import type { DurableSide } from './durable-side.ts'
import type { Elapsed } from './elapsed.ts'
import { HandledEntries } from './handled-entries.ts'
import type { Indexes } from './indexes.ts'
import type { InboxRecords } from './records.ts'
import { costBytes, type Entry, entryCostBytes, ownBodies } from './run-log.ts'
import { DAMAGED_PREFIX, encodeRun, runKey } from './run-record.ts'
import { Sender } from './sender.ts'

export interface DurableLanesOptions extends DurableCreditOptions {
  readonly laneCountMax: number
  readonly epochCountPerHourMax: number
}

/** Lanes that are over and of which something is kept, for each that may be open. */
const CLOSED_FACTOR = 4

export interface DurableLanesDeps {
  readonly store: Pick<Store, 'get'>
  readonly sealer: Sealer
  readonly records: InboxRecords
  readonly commit: GroupCommit
  readonly bodies: Bodies
  readonly options: DurableLanesOptions
  readonly emit: (body: EventBody) => void
  /** What the owner calls a contact now. */
  readonly contactName: (contact: string) => string
  /** A record was set aside. */
  readonly damaged: (sublevel: string) => void
  readonly enter: AttachmentHost['enter']
}

/** Durable lanes from all contacts: takes runs, puts them on disk, and only then lets them be given, receipted, and followed by more. */
export class DurableLanes implements DurableReceiving, DurableSide, AttachmentHost {
  readonly credit: DurableCredit
  readonly messageBytesMax: number
  readonly laneCountMax: number
  readonly enter: AttachmentHost['enter']
  readonly senders = new Map<string, Sender>()
  readonly #deps: DurableLanesDeps
  readonly #attachments = new Set<Attachment>()
  readonly #arrivals: Arrivals
  #core: Distribution | undefined
  #indexes: Indexes | undefined
  #elapsed: Elapsed | undefined
  readonly #handledEntries = new HandledEntries()
  isAvailable = false

  constructor(deps: DurableLanesDeps) {
    this.#deps = deps
    this.enter = deps.enter
    this.messageBytesMax = deps.options.messageBytesMax
    this.laneCountMax = deps.options.laneCountMax
    this.credit = new DurableCredit(deps.options, lane => this.#makeRoom(lane))
    const { commit, bodies } = deps
    this.#arrivals = new Arrivals({ commit, bodies, credit: this.credit, core: () => this.#log })
  }

  /** Gives it the log and what goes with it. Called once, before anything else. */
  connect(core: Distribution, indexes: Indexes, elapsed: Elapsed): void {
    this.#core = core
    this.#indexes = indexes
    this.#elapsed = elapsed
  }

  marks(contact: string): readonly LaneMark[] | undefined {
    return this.isAvailable ? (this.senders.get(contact)?.marks ?? []) : undefined
  }

  attach(contact: string, session: IncomingSession): IncomingAttachment {
    return this.enter(() => {
      const attachment = new Attachment(this, this.#sender(contact, session.from), session)
      if (this.isAvailable) this.#attachments.add(attachment)
      else attachment.end()
      return attachment
    })
  }

  openLane(sender: Sender, session: IncomingSession, opening: DurableLaneOpen): DurableLane {
    const { lane: number, channel, epoch } = opening
    if (!sender.isCurrent(epoch)) this.#beginEpoch(sender, session, epoch)
    const known = sender.find(epoch, number)
    if (known !== undefined && known.channel !== channel && known.received > 0) {
      throw new PeerFault('PROTOCOL_VIOLATION', 'a durable lane with another channel')
    }
    if (known !== undefined && !known.isClosed && known.channel === channel) return known
    // Only a sender that was restored opens again what it closed, or for another channel a lane by which nothing came: it then begins
    // behind what it knows, and not behind what was here.
    if (known !== undefined) {
      if (!known.isClosed) this.#close(sender, known)
      this.#forget(sender, known)
    }
    // A sender has one lane for a channel; what it says of the end of the one before may have been lost.
    const before = sender.ofChannel(channel)
    if (before !== undefined) this.closeLane(sender, before)
    if (sender.lanes.size >= this.laneCountMax) throw new PeerFault('CHANNEL_LIMIT', 'too many lanes')
    this.#boundClosed(sender)
    const lane = new DurableLane(sender.contact, opening, this.#log.source(sender.contact, channel))
    sender.lanes.set(number, lane)
    return lane
  }

  store(incoming: IncomingLane, run: DurableRun, bytes: number): void {
    const { commit, sealer } = this.#deps
    const { lane, session, sender } = incoming
    const { log } = this.#log
    const count = run.bodies.length
    const entry: Entry = {
      ...{
        first: log.end,
        end: log.end + count,
        source: lane.source,
        from: session.from,
        fromName: session.fromName()
      },
      ...{ idPrefix: lane.idPrefix, firstSeq: run.first, sentAt: run.acceptedAt, bodyBytes: bytes },
      durable: {
        lane,
        receivedAtMs: this.#time.nowMs(),
        maybeDuplicate: run.maybeDuplicate,
        sizes: count === 1 ? undefined : Uint32Array.from(run.bodies, body => body.length)
      },
      ...{ bodies: ownBodies(run.bodies, bytes), isHandled: false, isGone: false }
    }
    this.#log.appendDurable(entry)
    lane.entryCount++
    this.credit.kept(lane, sender, entryCostBytes(entry))
    this.#arrivals.run(incoming, entry, run.first + count - 1, run.tag)
    this.#came(sender, lane)
    commit.write(entry, () => {
      const key = runKey(entry.first)
      return { type: 'put', sublevel: 'inbox', key, value: sealer.seal('inbox', key, encodeEntry(entry)) }
    })
    this.#indexes?.raise()
  }

  storeSkip(incoming: IncomingLane, from: number, to: number): void {
    incoming.lane.skip(from, to)
    this.#arrivals.skip(incoming, to)
    this.#came(incoming.sender, incoming.lane)
  }

  closeLane(sender: Sender, lane: DurableLane): void {
    if (lane.isClosed || sender.lanes.get(lane.number) !== lane) return
    this.#close(sender, lane)
    if (lane.entryCount === 0) this.#forget(sender, lane)
    this.#deps.commit.soon()
  }

  tellAll(sender: Sender): void {
    for (const lane of sender.lanes.values()) sender.tell(lane.everything())
    for (const lane of [...sender.closed]) {
      // Of a lane that its sender closed nothing is to be told any more.
      if (!sender.isCurrent(lane.epoch)) sender.tell(lane.everything())
      if (lane.entryCount === 0) this.#forget(sender, lane)
    }
  }

  closeNumber(sender: Sender, number: number): void {
    const lane = sender.lanes.get(number)
    if (lane !== undefined) this.closeLane(sender, lane)
  }

  bodies(entry: Entry): readonly Uint8Array[] | undefined {
    if (entry.bodies.length > 0) return entry.bodies
    if (!this.isAvailable) return undefined
    try {
      return this.#deps.bodies.get(entry)
    } catch (error) {
      if (error instanceof DaemonError && error.code === 'STORE_UNAVAILABLE') return undefined
      throw error
    }
  }

  acked(entry: Entry, from: number, to: number, refusal: string | undefined): void {
    const { durable, first, firstSeq, end } = entry
    if (durable === undefined) return
    const { lane } = durable
    const low = firstSeq + from - first
    const high = firstSeq + to - first
    this.#tellLater(lane, refusal === undefined ? lane.handle(low, high) : lane.reject(low, high, refusal))
    entry.isHandled = lane.isSettled(firstSeq, firstSeq + end - first - 1)
    if (entry.isHandled) this.#handledEntries.add(entry)
    this.#dirty(lane)
  }

  /** Refuses, in the name of nobody, what no consumer has handled of an entry, and lets it go. */
  expire(entry: Entry, reason: string): void {
    const lane = entry.durable?.lane
    if (lane === undefined) return
    const { firstSeq, end, first } = entry
    this.#tellLater(lane, lane.reject(firstSeq, firstSeq + end - first - 1, reason))
    this.#log.letGo(entry)
    this.#deps.commit.soon()
  }

  removed(entry: Entry): void {
    const { commit, bodies } = this.#deps
    const lane = entry.durable?.lane
    if (lane === undefined) return
    bodies.forget(entry)
    this.#handledEntries.delete(entry)
    lane.entryCount--
    const sender = this.senders.get(lane.contact)
    this.credit.kept(lane, sender, -entryCostBytes(entry))
    if (!this.isAvailable) return
    commit.write(entry, () => ({ type: 'delete', sublevel: 'inbox', key: runKey(entry.first) }))
    this.#dirty(lane)
    if (
      sender !== undefined &&
      lane.isClosed &&
      lane.entryCount === 0 &&
      (lane.isForgotten || sender.isCurrent(lane.epoch))
    ) {
      this.#forget(sender, lane)
    }
    commit.soon()
  }

  setAside(entry: Entry): void {
    const lane = entry.durable?.lane
    if (lane === undefined) return
    const { store, commit } = this.#deps
    const { first, end, firstSeq } = entry
    const key = runKey(first)
    const value = store.get('inbox', key)
    if (value !== undefined) this.moveAside(key, value)
    const last = firstSeq + end - first - 1
    this.#tellLater(lane, lane.reject(firstSeq, last, 'RECORD_DAMAGED'))
    commit.soon()
    const ids = idRange(hexOf(lane.epoch), lane.number, firstSeq, last)
    this.tellDamage({ ids, indexes: { from: first, to: end - 1 } })
  }

  /** Puts a record that does not open where nothing reads it. */
  moveAside(key: Uint8Array, value: Uint8Array): void {
    const { commit } = this.#deps
    commit.write({}, () => ({ type: 'put', sublevel: 'inbox', key: joinBytes(DAMAGED_PREFIX, key), value }))
    commit.write({}, () => ({ type: 'delete', sublevel: 'inbox', key }))
  }

  tellDamage(lost: Pick<Extract<EventBody, { kind: 'store.damaged' }>, 'ids' | 'indexes'>): void {
    this.#deps.emit({ kind: 'store.damaged', sublevel: 'inbox', ...lost })
    this.#deps.damaged('inbox')
  }

  /** Whatever was queued may be on disk or not: sessions of before take nothing more, and `load` comes next. */
  lose(): void {
    this.isAvailable = false
    this.#arrivals.lose()
    for (const attachment of [...this.#attachments]) attachment.end()
    this.#attachments.clear()
  }

  /** Begins again with what the disk holds. */
  load(senders: ReadonlyMap<string, Sender>, entries: readonly Entry[]): void {
    this.credit.reset()
    this.#deps.bodies.clear()
    this.#handledEntries.clear()
    this.senders.clear()
    for (const [contact, sender] of senders) this.senders.set(contact, sender)
    for (const entry of entries) {
      const lane = entry.durable?.lane
      if (lane === undefined) continue
      lane.entryCount++
      this.credit.kept(lane, this.senders.get(lane.contact), entryCostBytes(entry))
      if (entry.isHandled) this.#handledEntries.add(entry)
    }
    this.isAvailable = true
  }

  /** Forgets a contact that is no more, and all its lanes. What came from it was accepted, and stays for programs as long as anything does. */
  forgetContact(contact: string): void {
    const { commit, records } = this.#deps
    const sender = this.senders.get(contact)
    if (sender === undefined) return
    for (const session of [...sender.sessions]) if (session instanceof Attachment) session.end()
    for (const lane of [...sender.lanes.values(), ...sender.closed]) {
      lane.isClosed = true
      this.#forget(sender, lane)
    }
    this.senders.delete(contact)
    if (sender.epoch !== undefined) commit.write(sender, () => records.deleteSender(contact))
    commit.soon()
  }

  get #log(): Distribution {
    if (this.#core === undefined) throw new TypeError('not connected')
    return this.#core
  }

  get #time(): Elapsed {
    if (this.#elapsed === undefined) throw new TypeError('not connected')
    return this.#elapsed
  }

  #sender(contact: string, from: string): Sender {
    const known = this.senders.get(contact)
    if (known !== undefined) {
      known.from = from
      return known
    }
    const sender = new Sender(contact, from)
    this.senders.set(contact, sender)
    return sender
  }

  #beginEpoch(sender: Sender, session: IncomingSession, epoch: Uint8Array): void {
    if (sender.isFormer(epoch)) throw new PeerFault('PROTOCOL_VIOLATION', 'an epoch that is over')
    const { options, emit, contactName, commit, records } = this.#deps
    const count = sender.begin(epoch.slice(), this.#time.nowMs())
    sender.from = session.from
    for (const lane of [...sender.lanes.values()]) {
      this.#close(sender, lane)
      // Otherwise there may be something to tell of it still.
      if (lane.received === 0) this.#forget(sender, lane)
    }
    commit.write(sender, () => records.putSender(sender.toRecord()))
    const isCloned = count > options.epochCountPerHourMax
    if (isCloned && !sender.isCloned) {
      emit({ kind: 'identity.cloned', contact: sender.contact, name: contactName(sender.contact) })
    }
    sender.isCloned = isCloned
  }

  /** Something came by the lane, and goes to the disk. */
  #came(sender: Sender, lane: DurableLane): void {
    this.#dirty(lane)
    if (lane.number <= sender.lastLane || !sender.isCurrent(lane.epoch)) return
    const { commit, records } = this.#deps
    sender.lastLane = lane.number
    commit.write(sender, () => records.putSender(sender.toRecord()))
  }

  /** The lane takes nothing more. */
  #close(sender: Sender, lane: DurableLane): void {
    lane.isClosed = true
    for (const session of sender.sessions) session.laneClosed(lane)
    sender.lanes.delete(lane.number)
    sender.closed.add(lane)
    this.#dirty(lane)
  }

  /** @throws {PeerFault} `CHANNEL_LIMIT` for a sender that leaves behind lane after lane with messages that no program has handled */
  #boundClosed(sender: Sender): void {
    const countMax = CLOSED_FACTOR * this.laneCountMax
    if (sender.closed.size < countMax) return
    for (const lane of [...sender.closed]) if (lane.entryCount === 0) this.#forget(sender, lane)
    if (sender.closed.size >= countMax) throw new PeerFault('CHANNEL_LIMIT', 'too many lanes that are over')
  }

  #tellLater(lane: DurableLane, receipts: readonly Receipt[]): void {
    const sender = this.senders.get(lane.contact)
    // Of a lane that its sender closed, or that is forgotten, nothing is to be told any more.
    if (sender === undefined || lane.isForgotten || receipts.length === 0) return
    if (lane.isClosed && sender.isCurrent(lane.epoch)) return
    this.#arrivals.receipts(sender, receipts)
  }

  #dirty(lane: DurableLane): void {
    if (lane.isForgotten || !this.isAvailable) return
    const { commit, records } = this.#deps
    commit.write(lane, () => (lane.isForgotten ? records.deleteLane(laneName(lane)) : records.putLane(lane.toRecord())))
  }

  #forget(sender: Sender, lane: DurableLane): void {
    sender.closed.delete(lane)
    if (sender.lanes.get(lane.number) === lane) sender.lanes.delete(lane.number)
    if (lane.isForgotten) return
    this.#dirty(lane)
    lane.isForgotten = true
    this.#deps.commit.soon()
  }

  /** Lets go what was handled first and waits for other consumers, of the lane, then of the contact, then of all. */
  #makeRoom(lane: DurableLane): boolean {
    const { options } = this.#deps
    const { inboxLaneBytesMax, inboxContactBytesMax, messageBytesMax } = options
    const sender = this.senders.get(lane.contact)
    const runBytes = costBytes(NEW_LANE_CREDIT_MESSAGES, Math.max(messageBytesMax, NEW_LANE_CREDIT_BYTES))
    const needBytes = Math.max(2 * messageBytesMax, runBytes, inboxLaneBytesMax / 16)
    const isLaneFull = lane.costBytes + needBytes > inboxLaneBytesMax
    const isContactFull = (sender?.costBytes ?? 0) + needBytes > inboxContactBytesMax
    let freedBytes = 0
    const ofContact = isContactFull ? this.#handledEntries.ofContact(lane.contact) : this.#handledEntries.all()
    for (const entry of isLaneFull ? this.#handledEntries.ofLane(lane) : ofContact) {
      if (freedBytes >= needBytes) break
      freedBytes += entryCostBytes(entry)
      this.#log.letGo(entry)
    }
    return freedBytes > 0
  }
}

function encodeEntry(entry: Entry): Uint8Array {
  const { durable, source, from, firstSeq, sentAt, bodies } = entry
  if (durable === undefined) throw new TypeError('not a durable entry')
  const { lane, receivedAtMs, maybeDuplicate } = durable
  const { contact, channel } = source
  const record = {
    ...{ contact, from, channel, epoch: lane.epoch, lane: lane.number },
    ...{ firstSeq, sentAt, receivedAtMs, maybeDuplicate, sizes: bodies.map(body => body.length) }
  }
  return encodeRun(record, bodies)
}

function laneName({ contact, epoch, number }: DurableLane): { contact: string; epoch: Uint8Array; lane: number } {
  return { contact, epoch, lane: number }
}
