import {
  DURABLE_LANE_MIN,
  EPOCH_BYTES,
  HANDLED,
  type LaneMark,
  REJECTED,
  type Receipt,
  STORED,
  TAG_BYTES
} from '../delivery/port.ts'
import type { Compare, Envelope, Hello, LaneOpen, Reject, Request, Response, Run } from './envelope.ts'
import { PeerFault } from './fault.ts'

const REQUEST_ID_BYTES = 16
const REQUEST_NAME_BYTES_MAX = 64
/** Of codes and texts, in characters. */
const TEXT_LENGTH_MAX = 200
/** One for each lane, and one for the last that is over. */
const MARK_COUNT_MAX = 1_025
const COMPARE_ID_BYTES = 16
const COMPARE_NONCE_BYTES = 32
const COMPARE_MESSAGE_BYTES_MAX = 4_096

type Checks = {
  readonly [kind in
    | 'hello'
    | 'laneOpen'
    | 'run'
    | 'skip'
    | 'receipt'
    | 'credit'
    | 'request'
    | 'response'
    | 'reject'
    | 'compare']: (value: never) => object
}

/**
 * Checks that what was decoded has the form that its kind has: sizes, and numbers that are safe integers. Fields that were not written have their
 * empty value in the result, and short byte fields are copies, so that keeping one does not keep the frame.
 *
 * @throws {PeerFault} `PROTOCOL_VIOLATION`
 */
export function checkedEnvelope(kind: string, value: unknown): Envelope {
  const check = Object.hasOwn(CHECKS, kind) ? CHECKS[kind as keyof Checks] : undefined
  return { [kind]: check === undefined ? value : check(value as never) } as unknown as Envelope
}

const CHECKS: Checks = {
  hello: (hello: Hello): Hello => {
    if (hello.lanes.length > MARK_COUNT_MAX) throw wrong('more lanes than there can be')
    return Object.assign(hello, { lanes: hello.lanes.map(laneMark) })
  },
  laneOpen: ({ lane, channel, durable, epoch }: LaneOpen): LaneOpen =>
    durable ? { lane, channel, durable, epoch: bytesOf(epoch, EPOCH_BYTES, 'an epoch') } : { lane, channel, durable },
  run: (run: Run): Run => {
    const { lane, first, acceptedAt, bodies } = run
    if (lane < DURABLE_LANE_MIN) return { lane, first, acceptedAt, bodies }
    const ttlLeftMs = run.ttlLeftMs ?? 0
    assertRange(first, first + bodies.length - 1)
    assertNumbers(acceptedAt, ttlLeftMs)
    const tag = bytesOf(run.tag, TAG_BYTES, 'a tag')
    return { lane, first, acceptedAt, ttlLeftMs, tag, maybeDuplicate: run.maybeDuplicate ?? false, bodies }
  },
  skip: ({ lane, from, to }: { lane: number; from: number; to: number }) => {
    assertRange(from, to)
    return { lane, from, to }
  },
  receipt: (receipt: Receipt): Receipt => {
    const { lane, state, from, to, reason } = receipt
    assertRange(from, to)
    if (state !== STORED && state !== HANDLED && state !== REJECTED) throw wrong('a receipt of an unknown state')
    assertText(reason)
    return { epoch: bytesOf(receipt.epoch, EPOCH_BYTES, 'an epoch'), lane, state, from, to, reason }
  },
  credit: ({ lane, messages, bytes }: { lane: number; messages: number; bytes: number }) => {
    assertNumbers(messages, bytes)
    return { lane, messages, bytes }
  },
  request: ({ id, name, timeLeftMs, body }: Request): Request => {
    const nameBytes = Buffer.byteLength(name)
    if (nameBytes === 0 || nameBytes > REQUEST_NAME_BYTES_MAX || !name.isWellFormed() || /\p{Cc}/u.test(name))
      throw wrong('a request without a name')
    assertNumbers(timeLeftMs)
    return { id: bytesOf(id, REQUEST_ID_BYTES, 'a request ID'), name, timeLeftMs, body: bodyOf(body) }
  },
  response: ({ id, body }: Response): Response => ({
    id: bytesOf(id, REQUEST_ID_BYTES, 'a request ID'),
    body: bodyOf(body)
  }),
  reject: (reject: Reject): Reject => {
    const { code, text } = reject
    assertText(code)
    assertText(text)
    // What was not written is not the object's own; of two subjects the decoder keeps the last.
    if (Object.hasOwn(reject, 'lane') && reject.lane !== undefined) return { lane: reject.lane, code, text }
    return { request: bytesOf(reject.request, REQUEST_ID_BYTES, 'a request ID'), code, text }
  },
  compare: ({ id, step, nonce, question, message, result }: Compare): Compare => {
    if (!(step >= 1 && step <= 5)) throw wrong('a step that no comparison has')
    assertText(question)
    assertText(result)
    if (message.length > COMPARE_MESSAGE_BYTES_MAX) throw wrong('a message that is too long')
    return {
      id: bytesOf(id, COMPARE_ID_BYTES, 'a comparison'),
      step,
      nonce: step <= 2 ? bytesOf(nonce, COMPARE_NONCE_BYTES, 'a nonce') : new Uint8Array(0),
      question: step === 1 ? question : '',
      message: step === 3 ? new Uint8Array(message) : new Uint8Array(0),
      result
    }
  }
}

function laneMark({ epoch, lane, stored, tag }: LaneMark): LaneMark {
  if (lane < DURABLE_LANE_MIN) throw wrong('a mark of a lane that is not durable')
  assertNumbers(stored)
  const hasTag = tag.length > 0
  return {
    epoch: bytesOf(epoch, EPOCH_BYTES, 'an epoch'),
    lane,
    stored,
    tag: hasTag ? bytesOf(tag, TAG_BYTES, 'a tag') : new Uint8Array(0)
  }
}

function bytesOf(bytes: Uint8Array | undefined, length: number, what: string): Uint8Array {
  if (bytes?.length !== length) throw wrong(`${what} of the wrong size`)
  return new Uint8Array(bytes)
}

/** A field that was not written reads as an empty list. */
function bodyOf(body: Uint8Array): Uint8Array {
  return body.length === 0 ? new Uint8Array(0) : body
}

function assertNumbers(...numbers: readonly number[]): void {
  if (!numbers.every(number => Number.isSafeInteger(number) && number >= 0)) throw wrong('a number beyond all bounds')
}

function assertRange(from: number, to: number): void {
  assertNumbers(from, to)
  if (from < 1 || to < from) throw wrong('a range that is none')
}

function assertText(text: string): void {
  if (text.length > TEXT_LENGTH_MAX || !text.isWellFormed()) throw wrong('a text that is too long')
}

function wrong(detail: string): PeerFault {
  return new PeerFault('PROTOCOL_VIOLATION', detail)
}
