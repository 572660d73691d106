import type { Consumer } from './consumer.ts'
import type { Lane } from './lane-credit.ts'
import type { Reader } from './reader.ts'

/**
 * One channel of one contact, whatever lane it comes by: where it is known which readers and consumers match, so that no message has to be
 * held against a filter.
 */
export class Source {
  readonly contact: string
  readonly channel: string
  /** Live readers that match. */
  readonly readers = new Set<Reader>()
  /** Named consumers that match, live or not. */
  readonly consumers = new Set<Consumer>()
  readonly lanes = new Set<Lane>()
  entryCount = 0
  /** Highest index of this source that is no longer kept. */
  goneThrough = 0

  constructor(contact: string, channel: string) {
    this.contact = contact
    this.channel = channel
  }

  /** How far the slowest live reader has come: everything below was taken by all. A look that lingers slows nobody down who is there. */
  get slowestNext(): number {
    let slowest = Number.POSITIVE_INFINITY
    let slowestAbsent = Number.POSITIVE_INFINITY
    for (const reader of this.readers) {
      if (reader.isLingeringLook) slowestAbsent = Math.min(slowestAbsent, reader.next)
      else slowest = Math.min(slowest, reader.next)
    }
    return slowest === Number.POSITIVE_INFINITY ? slowestAbsent : slowest
  }

  get isIdle(): boolean {
    return this.lanes.size === 0 && this.entryCount === 0
  }
}
