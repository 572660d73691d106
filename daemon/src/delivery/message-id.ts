import type { IdRange } from '@parley/client-sdk/contract'

/** What a message ID says: `<epoch>.<lane>.<seq>`, the epoch in hexadecimal. */
export interface MessageId {
  readonly epoch: string
  readonly lane: number
  readonly seq: number
}

const ID = /^([0-9a-f]{16}|[0-9a-f]{32})\.([1-9][0-9]{0,9})\.([1-9][0-9]{0,15})$/

export function formatMessageId({ epoch, lane, seq }: MessageId): string {
  return `${epoch}.${lane}.${seq}`
}

/** Undefined where `text` is no message ID. */
export function parseMessageId(text: string): MessageId | undefined {
  const match = ID.exec(text)
  if (match === null) return undefined
  const [, epoch = '', lane, seq] = match
  return Number.isSafeInteger(Number(seq)) ? { epoch, lane: Number(lane), seq: Number(seq) } : undefined
}

export function idRange(epoch: string, lane: number, from: number, to: number): IdRange {
  return { first: formatMessageId({ epoch, lane, seq: from }), count: to - from + 1 }
}
