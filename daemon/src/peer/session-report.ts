import type { PeerSessionInfo, SessionState } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'
import type { EndCode } from './fault.ts'
import { FEATURES } from './hello.ts'
import type { OpenLink } from './open-link.ts'

/** How the last link or dial ended, at which wall time. */
export interface LastEnd {
  readonly code: EndCode
  readonly detail: string
  readonly at: number
}

/** What is known of the session with a contact. */
export interface Known {
  readonly state: SessionState
  readonly current: OpenLink | undefined
  readonly nextDialAt: number | undefined
  readonly lastEnd: LastEnd | undefined
}

/** Tells upwards what is known of a session: once when it has changed, and nothing when it has not. */
export class SessionReport {
  readonly #clock: Clock
  readonly #changed: (info: PeerSessionInfo) => void
  /** Wall time at which the state was last another. */
  #since: number
  #told: Known = { state: 'offline', current: undefined, nextDialAt: undefined, lastEnd: undefined }

  constructor(clock: Clock, changed: (info: PeerSessionInfo) => void) {
    this.#clock = clock
    this.#changed = changed
    this.#since = clock.wallMs()
  }

  tell(known: Known): void {
    const told = this.#told
    const { state, current, lastEnd, nextDialAt } = known
    if (state === told.state && current === told.current && lastEnd === told.lastEnd && nextDialAt === told.nextDialAt)
      return
    if (state !== told.state) this.#since = this.#clock.wallMs()
    this.#told = known
    this.#changed({
      state,
      since: this.#since,
      ...(current === undefined
        ? {}
        : {
            openedBy: current.openedByUs ? 'us' : 'peer',
            address: current.link.stream.address,
            generation: current.generation,
            features: FEATURES.filter(name => current.link.hasFeature(name))
          }),
      ...(lastEnd === undefined ? {} : { lastEnd }),
      ...(nextDialAt === undefined ? {} : { nextDialAt })
    })
  }
}
