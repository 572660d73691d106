import type { EventBody } from '@parley/client-sdk/contract'
import type { Clock, Timer } from '../actor/clock.ts'
import type { HealthBoard } from './health.ts'

/** So long after the last sign of a copy, it counts as stopped: the hour for which its contact's messages rest, and some. */
const CLONE_CLEAR_MS = 61 * 60_000

/** Makes entries of health of the events that are about this daemon as a whole. */
export class Troubles {
  readonly #health: HealthBoard
  readonly #clock: Clock
  #damagedCount = 0
  #cloneOver: Timer | undefined

  constructor(health: HealthBoard, clock: Clock) {
    this.#health = health
    this.#clock = clock
  }

  note(body: EventBody): void {
    if (body.kind === 'store.damaged') {
      const count = ++this.#damagedCount
      this.#health.report('records', {
        state: 'degraded',
        code: 'RECORD_DAMAGED',
        detail: `${count === 1 ? 'a record' : `${count} records`} of the store did not open, and were set aside (${body.sublevel})`,
        action:
          'See the store.damaged events for what is lost; look at the disk, or restore a backup. A restart clears this.'
      })
    } else if (body.kind === 'identity.cloned') {
      this.#health.report('identity', {
        state: 'degraded',
        code: 'IDENTITY_CLONED',
        detail: `numbers begin anew again and again with ${body.name}: an identity runs twice, or its store is restored repeatedly`,
        action: 'Find the copy and stop it. What waits for that contact goes on within the hour.'
      })
      this.#cloneOver?.cancel()
      this.#cloneOver = this.#clock.timer(CLONE_CLEAR_MS, () => this.#health.clear('identity'))
    }
  }

  stop(): void {
    this.#cloneOver?.cancel()
  }
}
