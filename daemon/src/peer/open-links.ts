import type { Timer } from '../actor/clock.ts'
import { arbitrate } from './arbitration.ts'
import type { EndCode } from './fault.ts'
import type { Link } from './link.ts'
import type { OpenLink } from './open-link.ts'

export interface OpenLinksDeps {
  readonly rekeyDrainMs: number
  readonly glareWindowMs: number
  /** Ends `open` for good after `delayMs`, unless it is over before. */
  drainAfter(delayMs: number, open: OpenLink): Timer
  counted(name: string): void
}

/**
 * The links of one contact whose session is up: usually one, two for a while after a rekey or a glare.
 *
 * Decides which of them carries messages out and which may deliver messages in, and brings the others to their end without losing what is
 * on the way.
 */
export class OpenLinks {
  readonly #deps: OpenLinksDeps
  /** The oldest first. */
  readonly #links: OpenLink[] = []
  #current: OpenLink | undefined

  constructor(deps: OpenLinksDeps) {
    this.#deps = deps
  }

  /** Where messages go out, when a session is up. */
  get current(): OpenLink | undefined {
    return this.#current
  }

  get count(): number {
    return this.#links.length
  }

  /** An old session is being drained for its successor. */
  get isRekeying(): boolean {
    return this.#links.some(({ endCode }) => endCode === 'REKEYED')
  }

  /** A copy: links may end while it is walked. */
  all(): readonly OpenLink[] {
    return [...this.#links]
  }

  find(link: Link): OpenLink | undefined {
    return this.#links.find(open => open.link === link)
  }

  /** Takes a link that has just come up, and settles what it means for the others. */
  add(fresh: OpenLink): void {
    const olds = this.#links.filter(open => open.endCode === undefined)
    this.#links.push(fresh)
    for (const old of olds) this.#settle(old, fresh)
    if (fresh.endCode === undefined) this.#current ??= fresh
    this.#activateReceiving()
  }

  /** Lets go of a link that is over. */
  remove(open: OpenLink): void {
    open.drainTimer?.cancel()
    open.pulse?.cancel()
    open.incoming.close()
    this.#links.splice(this.#links.indexOf(open), 1)
    if (this.#current === open) this.#current = this.#links.findLast(({ endCode }) => endCode === undefined)
    this.#activateReceiving()
  }

  /** The peer's last envelope on a link, or the end of its direction, has come. */
  receiveEnded(open: OpenLink): void {
    open.isReceiveEnded = true
    // The peer may begin to rekey before its new session has come up here: then that has this long.
    open.drainTimer ??= this.#deps.drainAfter(this.#deps.rekeyDrainMs, open)
    this.#activateReceiving()
  }

  /** The peer said goodbye on a link. */
  byeReceived(open: OpenLink, code: string): void {
    if (open.endCode !== undefined) {
      this.receiveEnded(open)
      return
    }
    open.isReceiveEnded = true
    const other = this.#links.find(candidate => candidate !== open && candidate.endCode === undefined)
    if (code === 'GLARE' && other !== undefined) {
      this.#deps.counted('glares')
      this.#retire(open, other, 'GLARE')
      this.#activateReceiving()
    } else open.link.close('PEER_CLOSED', `the peer said bye: ${/^[A-Z_]{1,40}$/.test(code) ? code : 'no code'}`)
  }

  /** Says goodbye on every link. */
  sayBye(code: 'STOPPING', text: string): void {
    for (const open of this.#links) {
      open.queueEnd({ bye: { code, text } })
      open.endCode ??= code
    }
  }

  /** Ends every link at once. */
  close(code: EndCode, detail: string): void {
    for (const open of this.all()) open.link.close(code, detail)
  }

  #settle(old: OpenLink, fresh: OpenLink): void {
    const { glareWindowMs, counted } = this.#deps
    const { own, peer } = fresh.link.publicKeys
    // In a glare the side decides whose Themis public key container is the smaller one.
    const decides = Buffer.compare(own, peer) < 0
    switch (arbitrate(old, fresh, decides, glareWindowMs)) {
      case 'peer-restarted':
        old.link.close('PEER_RESTARTED', 'the peer is a new process')
        break
      case 'replaced':
        old.link.close('REPLACED', 'the same side opened another session')
        break
      case 'rekeyed':
        counted('rekeys')
        this.#retire(old, fresh, 'REKEYED')
        break
      case 'keep-new':
        counted('glares')
        this.#retire(old, fresh, 'GLARE')
        break
      case 'keep-old':
        counted('glares')
        this.#retire(fresh, old, 'GLARE')
        break
      case 'wait':
        break
    }
  }

  /** Ends `loser` for `winner`: nothing is sent on it after its last envelope, and it is read to its end. */
  #retire(loser: OpenLink, winner: OpenLink, code: 'GLARE' | 'REKEYED'): void {
    loser.endCode = code
    loser.queueEnd(code === 'GLARE' ? { bye: { code, text: 'one session is enough' } } : { end: {} })
    loser.drainTimer ??= this.#deps.drainAfter(this.#deps.rekeyDrainMs, loser)
    if (this.#current === loser) this.#current = winner
  }

  /** A lane receives only while no older session of this contact may still deliver: that keeps the order. */
  #activateReceiving(): void {
    for (const open of this.#links) {
      open.activate()
      if (!open.isReceiveEnded) return
    }
  }
}
