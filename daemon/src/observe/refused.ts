import type { RefusedInfo } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'
import type { Refusal } from '../transport/port.ts'

const KEPT_COUNT_MAX = 100

/** Who was refused, the newest last: so that an owner sees who knocks, and so that strangers cannot fill memory. */
export class RefusedLog {
  readonly #clock: Clock
  readonly #kept = new Map<string, RefusedInfo>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(refusal: Refusal): void {
    const { reason, nodeId, address } = refusal
    // Ports of callers are random; without a node ID only the host part tells them apart.
    const key = `${reason} ${nodeId ?? address.replace(/\/tcp\/\d+$/, '')}`
    const count = (this.#kept.get(key)?.count ?? 0) + 1
    this.#kept.delete(key)
    this.#kept.set(key, {
      reason,
      ...(nodeId === undefined ? {} : { nodeId }),
      address,
      count,
      lastAt: this.#clock.wallMs()
    })
    if (this.#kept.size > KEPT_COUNT_MAX) {
      const [oldest] = this.#kept.keys()
      if (oldest !== undefined) this.#kept.delete(oldest)
    }
  }

  list(): RefusedInfo[] {
    return [...this.#kept.values()]
  }
}
