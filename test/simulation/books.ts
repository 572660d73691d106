import type { MessageStateRange } from '@parley/client-sdk'

// What the model writes down.

/** One message that an app handed over. */
export interface Sent {
  /** Names it, and starts its body. */
  readonly token: string
  readonly from: string
  readonly to: string
  /** Those of one stream were handed over in the order of their numbers. */
  readonly stream: string
  readonly number: number
  readonly isDurable: boolean
  readonly startedMs: number
  /** Set when the app was told that it is accepted. */
  id?: string
  acceptedMs?: number
  /** The app was told that it is not accepted. */
  refused?: string
  /** The last that the app was told of it, and when. */
  told?: { readonly state: MessageStateRange['state']; readonly reached?: string; readonly reload: number }
  readonly was: Set<string>
  /** Of these, what came as an event, unasked. */
  readonly events: Set<string>
}

/** What an app saw, once for each time. */
export interface Seen {
  readonly host: string
  readonly consumer: string | null
  readonly index: number
  readonly id: string
  readonly from: string
  readonly token: string
  readonly redelivered: boolean
  readonly maybeDuplicate: boolean
  readonly atMs: number
}

/** One message in the inbox of a host, as apps saw it. */
export interface Entry {
  readonly host: string
  readonly generation: number
  readonly index: number
  readonly id: string
  readonly token: string
  readonly isMarked: boolean
  readonly atMs: number
}

export interface Restore {
  readonly host: string
  /** When the copy was made, and when it was put back. */
  readonly copiedMs: number
  readonly atMs: number
}

export type Told = Omit<MessageStateRange, 'first' | 'count'>

export interface Cursor {
  acked: number
  readonly seen: Map<number, string>
}
