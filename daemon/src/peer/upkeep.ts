import type { Clock, Timer } from '../actor/clock.ts'
import type { RandomBytes } from '../random.ts'
import type { Ping } from './envelope.ts'
import { PeerFault } from './fault.ts'
import type { OpenLink } from './open-link.ts'

export interface UpkeepLimits {
  readonly pingAfterMs: number
  readonly peerDeadAfterMs: number
  readonly rekeyAfterMs: number
  readonly rekeyAfterWraps: number
  readonly sessionAgeMsMax: number
  readonly sessionWrapsMax: number
}

export interface UpkeepDeps {
  readonly clock: Clock
  readonly limits: UpkeepLimits
  readonly randomBytes: RandomBytes
  /** Calls `pulse` for the link after `delayMs`. */
  pulseAfter(delayMs: number, open: OpenLink): Timer
  /** Whether messages go out on it: only then is it worth replacing. */
  isCurrent(open: OpenLink): boolean
  /** Whether this side has another key by now than on the link. */
  isOutdated(open: OpenLink): boolean
  /** Dials a session that replaces the current one, soon. */
  dialSuccessor(generation: number): void
}

const PING_BYTES = 8
const PULSE_MS_MIN = 10

/** Looks after links that are up: finds silent peers, and replaces or ends sessions by age and use. */
export class Upkeep {
  readonly #deps: UpkeepDeps

  constructor(deps: UpkeepDeps) {
    this.#deps = deps
  }

  /** Starts to look after a link, from now until it is over. */
  watch(open: OpenLink): void {
    const { pingAfterMs, peerDeadAfterMs, rekeyAfterMs } = this.#deps.limits
    const everyMs = Math.min(pingAfterMs / 2, (peerDeadAfterMs - pingAfterMs) / 2, rekeyAfterMs / 2)
    open.pulse = this.#deps.pulseAfter(Math.max(PULSE_MS_MIN, everyMs), open)
  }

  /** One look, by the clock. */
  pulse(open: OpenLink): void {
    if (open.link.isOver) return
    const { pingAfterMs, peerDeadAfterMs, sessionAgeMsMax, rekeyAfterMs } = this.#deps.limits
    const nowMs = this.#deps.clock.monotonicMs()
    const silentMs = nowMs - open.link.lastByteMs
    const ageMs = nowMs - open.openedAtMs
    if (silentMs >= peerDeadAfterMs) open.link.close('PEER_SILENT', `no byte for ${Math.round(silentMs)} ms`)
    else if (ageMs >= sessionAgeMsMax) open.link.close('SESSION_EXPIRED', 'the session is too old')
    else {
      if (silentMs >= pingAfterMs) open.queuePing(this.#ping(false))
      if (ageMs >= rekeyAfterMs || this.#deps.isOutdated(open)) this.#wantSuccessor(open)
      this.watch(open)
    }
  }

  /** One look at what was sent, after a flush. */
  sent(open: OpenLink): void {
    const { sessionWrapsMax, rekeyAfterWraps } = this.#deps.limits
    const { wrapCount } = open.link
    if (wrapCount >= sessionWrapsMax) open.link.close('SESSION_EXPIRED', 'the session has sent all frames that it may')
    else if (wrapCount >= rekeyAfterWraps) this.#wantSuccessor(open)
  }

  /** This side has another key: the session gives way to one with that. */
  replace(open: OpenLink): void {
    if (this.#deps.isOutdated(open)) this.#wantSuccessor(open)
  }

  /** @throws {PeerFault} `PROTOCOL_VIOLATION` `FLOODED` */
  pinged(open: OpenLink, { nonce, reply, rekey }: Ping): void {
    if (nonce.length !== PING_BYTES) throw new PeerFault('PROTOCOL_VIOLATION', 'a ping without 8 bytes')
    if (reply) return
    open.queuePingReply(nonce)
    if (rekey && open.openedByUs && open.endCode === undefined) this.#deps.dialSuccessor(open.generation + 1)
  }

  /** The opener of a session dials its successor; the other side asks for it, once. */
  #wantSuccessor(open: OpenLink): void {
    if (open.endCode !== undefined || !this.#deps.isCurrent(open)) return
    if (open.openedByUs) this.#deps.dialSuccessor(open.generation + 1)
    else if (!open.hasAskedForRekey) {
      open.hasAskedForRekey = true
      open.queue({ ping: this.#ping(true) })
    }
  }

  #ping(rekey: boolean): Ping {
    return { nonce: this.#deps.randomBytes(PING_BYTES), reply: false, rekey }
  }
}
