import type { MessageStates, QueueInfo } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import { parseMessageId } from '../message-id.ts'
import type { MessageFacts } from '../outbox-api.ts'
import type { Book } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import type { Entry } from './entry.ts'
import type { Lane } from './lane.ts'
import type { LaneRange } from './removing.ts'
import { statesOf, toStateRange } from './states.ts'

interface Found extends LaneRange {
  readonly contact: ContactLanes
}

/** @throws {DaemonError} `NO_SUCH_MESSAGE` */
function find(book: Book, id: string, count: number): Found {
  const parsed = parseMessageId(id)
  const contact = parsed === undefined ? undefined : book.epochs.get(parsed.epoch)
  const lane = parsed === undefined ? undefined : contact?.lanes.get(parsed.lane)
  if (parsed === undefined || contact === undefined || lane === undefined) throw noSuchMessage()
  const { seq: from, epoch } = parsed
  const to = from + count - 1
  if (lane.epoch !== epoch || to >= lane.next || from <= lane.forgottenThrough) throw noSuchMessage()
  return { lane, contact, from, to }
}

/** What `messages.get` answers. @throws {DaemonError} `NO_SUCH_MESSAGE` */
export function statesById(book: Book, id: string, count: number): MessageStates {
  const { lane, contact, from, to } = find(book, id, count)
  const ranges = statesOf(lane, from, to, number => contact.lanes.get(number))
  return { contact: lane.contact, channel: lane.channel, ranges: ranges.map(range => toStateRange(lane, range)) }
}

/** Where messages stand now, by the ID that their app was given. @throws {DaemonError} `NO_SUCH_MESSAGE` */
export function placesById(book: Book, id: string, count: number): LaneRange[] {
  const { lane, contact, from, to } = find(book, id, count)
  return whereNow(contact, lane, from, to)
}

/** What is known of one message. @throws {DaemonError} `NO_SUCH_MESSAGE` */
export function factsById(book: Book, id: string): MessageFacts {
  const { lane, contact, from } = find(book, id, 1)
  const [what] = statesOf(lane, from, from, number => contact.lanes.get(number))
  const place = whereNow(contact, lane, from, from)[0]
  if (what === undefined || place === undefined) throw noSuchMessage()
  const { from: _from, to: _to, ...state } = what
  const facts = { contact: lane.contact, channel: lane.channel, ...state }
  const entry = place.lane.at(place.from)
  if (entry === undefined || entry.kind === 'skip') return facts
  const expiresAt = book.deps.clock.wallMs() + Math.max(0, entry.expiresMs - book.nowMs())
  const waiting = { ...facts, acceptedAt: entry.acceptedAt, expiresAt }
  return state.state === 'accepted' ? { ...waiting, waitsFor: waitsFor(book, contact, place.lane, entry) } : waiting
}

/** What waits for one contact, or for all. */
export function queueOf(book: Book, contact: string | undefined): QueueInfo {
  const holder = contact === undefined ? book : book.contacts.get(contact)
  if (holder === undefined) return { messages: 0, bytes: 0 }
  const { messageCount: messages, bytes } = holder
  if (messages === 0) return { messages, bytes }
  let oldestAt = Number.POSITIVE_INFINITY
  const contacts = contact === undefined ? book.contacts.values() : [book.contactOf(contact)]
  for (const { byChannel } of contacts) {
    for (const lane of byChannel.values()) oldestAt = Math.min(oldestAt, lane.oldestRun?.acceptedAt ?? oldestAt)
  }
  return { messages, bytes, oldestAt }
}

/** The messages of a contact that wait for the owner, as they were accepted for another key. */
export function heldOf(book: Book, contact: ContactLanes): Entry[] {
  return [...contact.byChannel.values()].flatMap(lane => lane.entries().filter(entry => book.isHeld(entry)))
}

function waitsFor(book: Book, contact: ContactLanes, lane: Lane, entry: Entry): NonNullable<MessageFacts['waitsFor']> {
  const first = lane.at(lane.cursor)
  if (book.isHeld(entry) || (first !== undefined && book.isHeld(first))) return 'key'
  if (book.nowMs() < contact.restUntilMs) return 'epochs'
  if (contact.attachment === undefined) return 'session'
  return contact.attachment.isReady(lane) ? 'turn' : 'credit'
}

function whereNow(contact: ContactLanes, lane: Lane, from: number, to: number): LaneRange[] {
  const found: LaneRange[] = []
  let next = from
  for (const moved of lane.moved) {
    const target = contact.lanes.get(moved.lane)
    if (moved.to < next || moved.from > to || target === undefined) continue
    if (moved.from > next) found.push({ lane, from: next, to: moved.from - 1 })
    const shift = moved.first - moved.from
    const end = Math.min(to, moved.to)
    found.push(...whereNow(contact, target, Math.max(next, moved.from) + shift, end + shift))
    next = end + 1
  }
  if (next <= to) found.push({ lane, from: next, to })
  return found
}

function noSuchMessage(): DaemonError {
  return new DaemonError('NO_SUCH_MESSAGE', 'no message is known by that ID')
}
