import { DaemonError } from '../../errors.ts'
import { idRange } from '../message-id.ts'
import type { Accepted, AcceptRequest } from '../outbox-api.ts'
import type { Book } from './book.ts'
import type { ContactLanes } from './contact-lanes.ts'
import { Entry, MESSAGE_COST_BYTES } from './entry.ts'
import type { Lane } from './lane.ts'
import type { KnownSend, SendKeys } from './send-keys.ts'

/** A run has at most so much in bodies, or one message. */
export const RUN_BYTES_MAX = 65_536
/** And so many messages: what a new lane may send without having been granted anything. */
export const RUN_MESSAGE_COUNT_MAX = 1_024

/**
 * Takes messages over: numbers them in memory, and answers once the batch with them is on disk.
 *
 * @throws {DaemonError} on the caller's stack, with nothing changed; `OutboxApi.accept` lists the codes
 */
export function accept(book: Book, sendKeys: SendKeys, request: AcceptRequest): Promise<Accepted> {
  const { key } = request
  const known = key === undefined ? undefined : sendKeys.find(key, request)
  if (known !== undefined) return answer(book, known)
  assertRoom(book, request)
  const now = book.nowMs()
  const contact = book.contactOf(request.contact)
  const lane = contact.byChannel.get(request.channel) ?? openLane(book, contact, request.channel)
  const first = lane.next
  const entries = appendBodies(book, contact, lane, request)
  lane.next = first + request.bodies.length
  for (const entry of entries) book.changeEntry(entry)
  book.writeLane(lane)
  book.writeTime()
  const send: KnownSend = {
    ids: [idRange(lane.epoch, lane.number, first, lane.next - 1)],
    expiresMs: now + request.ttlMs,
    pending: undefined
  }
  if (key !== undefined) sendKeys.add(key, request, send)
  const pending = new Promise<void>((resolve, reject) => {
    book.commit.afterwards(
      () => {
        send.pending = undefined
        accepted(book, contact, lane, entries, request.bodies.length)
        resolve()
      },
      error => reject(new DaemonError(error.code, error.message, { data: { accepted: 'unknown' } }))
    )
  })
  // Whoever waits for it hears of a failure; `pending` itself may have nobody.
  pending.catch(() => {})
  send.pending = pending
  return answer(book, send)
}

async function answer(book: Book, send: KnownSend): Promise<Accepted> {
  await send.pending
  return { ids: send.ids, expiresAt: book.deps.clock.wallMs() + Math.max(0, send.expiresMs - book.nowMs()) }
}

function accepted(book: Book, contact: ContactLanes, lane: Lane, entries: readonly Entry[], count: number): void {
  book.committedMessages += count
  for (const entry of entries) book.entrySynced(entry)
  lane.takeableThrough = lane.writtenThrough
  contact.attachment?.refresh(lane)
}

function openLane(book: Book, contact: ContactLanes, channel: string): Lane {
  if (contact.epoch === undefined) book.newEpoch(contact)
  const lane = contact.openLane(channel, book.nowMs())
  book.writeContact(contact)
  return lane
}

/** Appends the bodies as runs, the first of them to the one that is being gathered where that is alike. */
function appendBodies(book: Book, contact: ContactLanes, lane: Lane, request: AcceptRequest): Entry[] {
  const touched: Entry[] = []
  const fingerprint = contact.intern(request.fingerprint)
  let tail = lane.last
  let next = lane.next
  for (const body of request.bodies) {
    if (tail === undefined || !mayJoin(tail, request.ttlMs, fingerprint, body)) {
      tail = newEntry(book, lane, next, request.ttlMs, fingerprint)
      lane.push(tail)
    }
    const bodies = tail.bodies as Uint8Array[]
    bodies.push(body)
    tail.count++
    tail.bytes += body.length
    tail.largestBytes = Math.max(tail.largestBytes, body.length)
    book.count(tail, 1, body.length)
    if (touched.at(-1) !== tail) touched.push(tail)
    next++
  }
  return touched
}

function mayJoin(tail: Entry, ttlMs: number, fingerprint: Uint8Array, body: Uint8Array): boolean {
  const isAlike = tail.isGathering && tail.kind === 'run' && tail.ttlMs === ttlMs && tail.fingerprint === fingerprint
  return isAlike && tail.count < RUN_MESSAGE_COUNT_MAX && tail.bytes + body.length <= RUN_BYTES_MAX
}

function newEntry(book: Book, lane: Lane, first: number, ttlMs: number, fingerprint: Uint8Array): Entry {
  const entry = new Entry(lane, {
    ...{ kind: 'run', first, count: 0, bytes: 0, largestBytes: 0, ttlMs, fingerprint, maybeDuplicate: false },
    acceptedAt: book.deps.clock.wallMs(),
    acceptedMs: book.nowMs(),
    tag: book.newTag(),
    home: lane,
    homeFirst: first
  })
  entry.isGathering = true
  entry.bodies = []
  lane.homeCount++
  return entry
}

interface Use {
  readonly costBytes: number
  readonly messageCount: number
}

const NOTHING: Use = { costBytes: 0, messageCount: 0 }

/** @throws {DaemonError} `QUEUE_FULL` `CHANNEL_LIMIT`; `TOO_LARGE` for what would not fit into an empty outbox */
function assertRoom(book: Book, { contact: name, channel, bodies }: AcceptRequest): void {
  const { options } = book.deps
  const contact = book.contacts.get(name)
  const lane = contact?.byChannel.get(channel)
  if (lane === undefined && (contact?.byChannel.size ?? 0) >= options.laneCountMax)
    throw new DaemonError('CHANNEL_LIMIT', `at most ${options.laneCountMax} channels at a time with one contact`)
  const costBytes = bodies.reduce((sum, body) => sum + body.length + MESSAGE_COST_BYTES, 0)
  const check = (scope: 'lane' | 'contact' | 'all', use: Use, bytesMax: number, countMax: number) => {
    const freeBytes = use.messageCount >= countMax ? 0 : Math.max(0, bytesMax - use.costBytes)
    if (use.costBytes + costBytes <= bytesMax && use.messageCount + bodies.length <= countMax) return
    if (costBytes > bytesMax || bodies.length > countMax)
      throw new DaemonError(
        'TOO_LARGE',
        `a call has at most ${countMax} messages, and ${bytesMax} bytes with ${MESSAGE_COST_BYTES} for each`
      )
    throw new DaemonError('QUEUE_FULL', 'too much waits already', { data: { scope, freeBytes } })
  }
  check('lane', lane ?? NOTHING, options.outboxLaneBytesMax, options.outboxLaneMessageCountMax)
  check('contact', contact ?? NOTHING, options.outboxContactBytesMax, options.outboxMessageCountMax)
  check('all', book, options.outboxBytesMax, options.outboxMessageCountMax)
}
