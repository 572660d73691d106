import { z } from 'zod'
import type { Clock } from '../../actor/clock.ts'
import { GroupCommit } from '../../delivery/commit.ts'
import { ElapsedClock } from '../../delivery/outbox/elapsed-clock.ts'
import { DaemonError } from '../../errors.ts'
import { joinBytes, textBytes } from '../../identity/fields.ts'
import type { Store, StoreRange, Sublevel } from '../../store/port.ts'
import { recordCodec } from '../../store/records.ts'
import type { Sealer } from '../../store/sealer.ts'

/** So many tries with one contact in so long, both roles together; then none for as long. */
export const TRY_COUNT_MAX = 5
export const TRY_WINDOW_MS = 15 * 60_000

const SUBLEVEL: Sublevel = 'meta'
const KEY_PREFIX = textBytes('compare/tries/')
/** '0' follows '/'. */
const KEYS: StoreRange = { gte: KEY_PREFIX, lt: textBytes('compare/tries0') }
const TIME_KEY = textBytes('compare/time')
const TIME = {}

const number = z.int().nonnegative()
const triesCodec = recordCodec({
  sublevel: SUBLEVEL,
  version: 1,
  schema: z.strictObject({
    contact: z.string(),
    /** Elapsed time of each try, the oldest first. */
    spentMs: z.array(number).max(TRY_COUNT_MAX),
    lockedUntilMs: number
  })
})
const timeCodec = recordCodec({
  sublevel: SUBLEVEL,
  version: 1,
  schema: z.strictObject({ elapsedMs: number, wallMs: z.int() })
})

export interface TriesDeps {
  readonly store: Store
  readonly sealer: Sealer
  readonly clock: Clock
  readonly options: { readonly clockStepMs: number; readonly clockStepHoldMs: number }
  /** Runs code as a part of the owner. */
  readonly run: (code: () => void) => void
}

/** A try that was spent. */
export interface Try {
  readonly contact: string
  readonly atMs: number
}

interface ContactTries {
  readonly contact: string
  spentMs: number[]
  lockedUntilMs: number
}

/**
 * How often contacts were compared with lately: each comparison is a guess that somebody may have made. On disk, so that a restart gives no
 * new tries; counted in elapsed time, so that a step of the clock gives none either.
 */
export class Tries {
  readonly #deps: TriesDeps
  readonly #commit: GroupCommit
  readonly #contacts = new Map<string, ContactTries>()
  #elapsed: ElapsedClock

  private constructor(deps: TriesDeps) {
    const { store, clock, options, run } = deps
    this.#deps = deps
    this.#commit = new GroupCommit({ store, clock, run, failed: () => this.storeLost() })
    this.#elapsed = new ElapsedClock(clock, options, undefined)
  }

  /** @throws {DaemonError} `RECORD_DAMAGED` `STORE_UNAVAILABLE` */
  static async open(deps: TriesDeps): Promise<Tries> {
    const tries = new Tries(deps)
    const { store, sealer, clock, options } = deps
    const kept = store.get(SUBLEVEL, TIME_KEY)
    const time = kept === undefined ? undefined : timeCodec.decode(sealer.open(SUBLEVEL, TIME_KEY, kept))
    tries.#elapsed = new ElapsedClock(clock, options, time)
    await tries.#load()
    return tries
  }

  /** The store is lost: no try can be spent until `reload`. */
  storeLost(): void {
    this.#commit.lose()
  }

  /** @throws {DaemonError} as `open` */
  async reload(): Promise<void> {
    this.storeLost()
    this.#contacts.clear()
    await this.#load()
    this.#commit.resume()
  }

  /** How long no try of a contact is left; 0 when one is. */
  lockedForMs(contact: string): number {
    const tries = this.#current(contact)
    return tries === undefined ? 0 : this.#lockedForMs(tries)
  }

  /** Spends a try; it is on disk when this resolves. @throws {DaemonError} `COMPARE_LOCKED` with `retryAfterMs`; `STORE_UNAVAILABLE` */
  async spend(contact: string): Promise<Try> {
    const tries = this.#current(contact) ?? { contact, spentMs: [], lockedUntilMs: 0 }
    const lockedMs = this.#lockedForMs(tries)
    if (lockedMs > 0) throw locked(lockedMs)
    const atMs = this.#elapsed.nowMs()
    tries.spentMs.push(atMs)
    if (tries.spentMs.length >= TRY_COUNT_MAX) tries.lockedUntilMs = atMs + TRY_WINDOW_MS
    this.#contacts.set(contact, tries)
    this.#write(tries)
    await this.#commit.synced()
    return { contact, atMs }
  }

  /** Gives a try back: the secrets were the same. On disk when this resolves. @throws {DaemonError} `STORE_UNAVAILABLE` */
  async giveBack({ contact, atMs }: Try): Promise<void> {
    const tries = this.#contacts.get(contact)
    const index = tries?.spentMs.indexOf(atMs) ?? -1
    if (tries === undefined || index < 0) return
    tries.spentMs.splice(index, 1)
    tries.lockedUntilMs = 0
    this.#write(tries)
    await this.#commit.synced()
  }

  /** The contact was removed. */
  forgetContact(contact: string): void {
    const tries = this.#contacts.get(contact)
    if (tries === undefined || !this.#contacts.delete(contact)) return
    const key = this.#keyOf(contact)
    this.#commit.write(tries, () => ({ type: 'delete', sublevel: SUBLEVEL, key }))
    this.#commit.soon()
  }

  async #load(): Promise<void> {
    const { store, sealer } = this.#deps
    for await (const { key, value } of store.range(SUBLEVEL, KEYS)) {
      const tries = triesCodec.decode(sealer.open(SUBLEVEL, key, value))
      this.#contacts.set(tries.contact, { ...tries, spentMs: [...tries.spentMs] })
    }
  }

  /** Without what is over by now. */
  #current(contact: string): ContactTries | undefined {
    const tries = this.#contacts.get(contact)
    const nowMs = this.#elapsed.nowMs()
    if (tries === undefined || nowMs < this.#elapsed.holdUntilMs) return tries
    if (tries.lockedUntilMs > 0) {
      if (nowMs >= tries.lockedUntilMs) Object.assign(tries, { spentMs: [], lockedUntilMs: 0 })
    } else tries.spentMs = tries.spentMs.filter(atMs => nowMs - atMs < TRY_WINDOW_MS)
    return tries
  }

  #lockedForMs({ lockedUntilMs }: ContactTries): number {
    if (lockedUntilMs === 0) return 0
    return Math.max(lockedUntilMs, this.#elapsed.holdUntilMs) - this.#elapsed.nowMs()
  }

  #write(tries: ContactTries): void {
    const { sealer } = this.#deps
    const put = (key: Uint8Array, plaintext: Uint8Array) =>
      ({ type: 'put', sublevel: SUBLEVEL, key, value: sealer.seal(SUBLEVEL, key, plaintext) }) as const
    const { contact } = tries
    this.#commit.write(tries, () => {
      const { spentMs, lockedUntilMs } = tries
      return put(this.#keyOf(contact), triesCodec.encode({ contact, spentMs, lockedUntilMs }))
    })
    this.#commit.write(TIME, () => put(TIME_KEY, timeCodec.encode(this.#elapsed.kept())))
  }

  #keyOf(contact: string): Uint8Array {
    return joinBytes(KEY_PREFIX, this.#deps.sealer.hiddenName('compare', contact))
  }
}

export function locked(retryAfterMs: number): DaemonError {
  const minutes = Math.ceil(retryAfterMs / 60_000)
  const data = { retryAfterMs: Math.ceil(retryAfterMs) }
  return new DaemonError('COMPARE_LOCKED', `no comparison with this contact for ${minutes} min`, { data })
}
