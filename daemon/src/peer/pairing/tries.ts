import { z } from 'zod'
import type { Clock } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { textBytes } from '../../identity/fields.ts'
import type { Store } from '../../store/port.ts'
import { recordCodec } from '../../store/records.ts'
import type { Sealer } from '../../store/sealer.ts'
import { PairingFault } from './fault.ts'

/** Tries of all invitations and joins together, in {@link TRIES_WINDOW_MS}. */
export const TRIES_COUNT_MAX = 10
export const TRIES_WINDOW_MS: number = 10 * 60_000

const TRIES_KEY = textBytes('pairing-tries')
const record = recordCodec({
  sublevel: 'meta',
  version: 1,
  schema: z.strictObject({ at: z.array(z.int().nonnegative()).max(TRIES_COUNT_MAX) })
})

export interface TriesDeps {
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>
}

/** A try that was spent. It is given back when the comparison matched. */
export interface SpentTry {
  /** @throws {DaemonError} `STORE_UNAVAILABLE`; then it is back in memory, and on disk until the next write */
  giveBack(): Promise<void>
}

/**
 * How many tries were spent lately, over all: each is a guess that somebody may have made. Kept in the store's `meta`, so that a restart
 * forgives nothing.
 */
export class Tries {
  readonly #deps: TriesDeps
  /** Monotonic times, oldest first. */
  #spent: number[]
  #lastWrite: Promise<unknown> = Promise.resolve()

  /** Reads what an open store knows. @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  constructor(deps: TriesDeps) {
    this.#deps = deps
    const { clock, store, sealer } = deps
    const bytes = store.get('meta', TRIES_KEY)
    const at = bytes === undefined ? [] : record.decode(sealer.open('meta', TRIES_KEY, bytes)).at
    // A time to come means that the clock was set back: that try counts as one of now.
    const agesMs = at.map(wallMs => Math.max(0, clock.wallMs() - wallMs))
    this.#spent = agesMs.map(ageMs => clock.monotonicMs() - ageMs).sort((a, b) => a - b)
  }

  /** How long pairing rests from now on: 0 where it does not. */
  get restMs(): number {
    this.#forget()
    const oldest = this.#spent[0]
    if (oldest === undefined || this.#spent.length < TRIES_COUNT_MAX) return 0
    return Math.max(1, Math.ceil(oldest + TRIES_WINDOW_MS - this.#deps.clock.monotonicMs()))
  }

  /** Tries spent within the last ten minutes. */
  get spentCount(): number {
    this.#forget()
    return this.#spent.length
  }

  /** Spends a try; it is on disk when this resolves. Undefined, and none spent, while pairing rests. @throws {DaemonError} `STORE_UNAVAILABLE`; then it is spent all the same */
  async spend(): Promise<SpentTry | undefined> {
    if (this.restMs > 0) return undefined
    const spentMs = this.#deps.clock.monotonicMs()
    this.#spent.push(spentMs)
    await this.#write()
    return {
      giveBack: () => {
        const at = this.#spent.indexOf(spentMs)
        if (at >= 0) this.#spent.splice(at, 1)
        return this.#write()
      }
    }
  }

  #forget(): void {
    const sinceMs = this.#deps.clock.monotonicMs() - TRIES_WINDOW_MS
    this.#spent = this.#spent.filter(spentMs => spentMs > sinceMs)
  }

  /** One write after the other, each of what is so when its turn comes. */
  #write(): Promise<void> {
    const done = this.#lastWrite.then(() => this.#writeNow())
    this.#lastWrite = done.catch(() => undefined) // its caller hears of it
    return done
  }

  async #writeNow(): Promise<void> {
    const { store, sealer, clock } = this.#deps
    this.#forget()
    const at = this.#spent.map(spentMs => Math.max(0, Math.floor(clock.wallMs() - (clock.monotonicMs() - spentMs))))
    const value = sealer.seal('meta', TRIES_KEY, record.encode({ at }))
    await store.batch([{ type: 'put', sublevel: 'meta', key: TRIES_KEY, value }], { sync: true })
  }
}

/** @throws {DaemonError} `PAIRING_RESTING` with `restMs` as data */
export function assertAwake(tries: Tries): void {
  const { restMs } = tries
  if (restMs > 0) throw new DaemonError('PAIRING_RESTING', 'Too many tries were spent lately.', { data: { restMs } })
}

/** A try of `tries`. @throws {PairingFault} `RESTING` `STORE_UNAVAILABLE` */
export async function spendOf(tries: Tries): Promise<SpentTry> {
  let spent: SpentTry | undefined
  try {
    spent = await tries.spend()
  } catch (cause) {
    throw new PairingFault('STORE_UNAVAILABLE', 'the try could not be written', { cause })
  }
  if (spent === undefined) throw new PairingFault('RESTING', 'too many tries were spent')
  return spent
}
