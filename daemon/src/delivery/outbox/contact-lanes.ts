import { DURABLE_LANE_MIN, type LaneMark } from '../port.ts'
import type { Attachment } from './attachment.ts'
import type { Entry } from './entry.ts'
import { Lane } from './lane.ts'

/** Epochs of the past that a contact is known by: a mark of one of them tells of no restored store. */
const FORMER_EPOCH_COUNT_MAX = 64
/** Lanes of the past that are answered for. */
const ENDED_LANE_COUNT_MAX = 1_024

/** All that is queued for one contact: its epoch, its lanes, and the session that takes from them. */
export class ContactLanes {
  readonly contact: string
  /** What stands for it in keys. */
  readonly hidden: Uint8Array
  /** Hexadecimal; none before the first message. */
  epoch: string | undefined
  nextLane = DURABLE_LANE_MIN
  former: string[] = []
  /** Elapsed times of the last new epochs. */
  epochTimesMs: number[] = []
  /** Elapsed time until which nothing is taken: there were too many new epochs. */
  restUntilMs = 0
  /** Elapsed time at which the peer was last heard. */
  heardMs = 0
  /**
   * There was a session since the contact is one. Until then an epoch that the peer knows and this store does not tells of a contact that was
   * removed and added again, and of no restored store.
   */
  isMet = false
  /** By number, also those of former epochs. */
  readonly lanes: Map<number, Lane> = new Map()
  /** Those that take messages. */
  readonly byChannel: Map<string, Lane> = new Map()
  readonly expiring: Set<Entry> = new Set()
  readonly fingerprints: Map<string, Uint8Array> = new Map()
  attachment: Attachment | undefined
  /** What the session's peer said at its start, where a rest keeps it from being taken in. */
  waitingMarks: readonly LaneMark[] | undefined
  messageCount = 0
  bytes = 0
  costBytes = 0

  constructor(contact: string, hidden: Uint8Array) {
    this.contact = contact
    this.hidden = hidden
  }

  /** Whether a session may take what comes. */
  isSending(nowMs: number): boolean {
    return this.attachment !== undefined && nowMs >= this.restUntilMs
  }

  openLane(channel: string, nowMs: number): Lane {
    const lane = new Lane({ contact: this.contact, channel, epoch: this.epoch ?? '', number: this.nextLane++ })
    lane.idleSinceMs = nowMs
    this.lanes.set(lane.number, lane)
    this.byChannel.set(channel, lane)
    return lane
  }

  rememberEpoch(epoch: string): void {
    if (this.former.includes(epoch)) return
    this.former.push(epoch)
    if (this.former.length > FORMER_EPOCH_COUNT_MAX) this.former.shift()
  }

  /** The one array that stands for this fingerprint in memory. */
  intern(fingerprint: Uint8Array): Uint8Array {
    const text = Buffer.from(fingerprint).toString('latin1')
    const known = this.fingerprints.get(text)
    if (known !== undefined) return known
    const own = fingerprint.slice()
    this.fingerprints.set(text, own)
    return own
  }

  /**
   * Lanes that nothing can happen to any more: empty for long, or of a former epoch and no longer needed. Of one whose messages the peer has, and no
   * program there has handled, a last word may come for `untoldMs` longer: then the peer lets them go.
   */
  forgettable(nowMs: number, idleMs: number, untoldMs: number): Lane[] {
    const found: Lane[] = []
    const ended: Lane[] = []
    for (const lane of this.lanes.values()) {
      if (lane.endedAtMs === undefined) {
        const emptyMs = lane.isEmpty && lane.homeCount === 0 ? nowMs - lane.idleSinceMs : 0
        if (emptyMs < idleMs) continue
        if (emptyMs >= idleMs + untoldMs || lane.withoutLastWord(1, lane.next - 1).length === 0) found.push(lane)
      } else if (lane.homeCount === 0) {
        if (nowMs - lane.endedAtMs >= idleMs) found.push(lane)
        else ended.push(lane)
      }
    }
    return found.concat(ended.slice(0, Math.max(0, ended.length - ENDED_LANE_COUNT_MAX)))
  }
}
