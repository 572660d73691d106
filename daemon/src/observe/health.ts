import type { EventBody, Health, HealthComponent } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'

/** What a component says of itself. `code` and `action` where it is not `ok`. */
export type HealthReport = Omit<HealthComponent, 'since'>

/** The state of each part of the daemon, since when, and what to do. */
export class HealthBoard {
  readonly #clock: Clock
  readonly #emit: (body: EventBody) => void
  readonly #components = new Map<string, HealthComponent>()
  readonly #required = new Set<string>()

  /** @param required - components without which the daemon is not ready; down until they report */
  constructor(clock: Clock, emit: (body: EventBody) => void, required: readonly string[] = []) {
    this.#clock = clock
    this.#emit = emit
    for (const name of required) {
      this.#required.add(name)
      this.#components.set(name, { state: 'down', since: clock.wallMs(), code: 'STARTING' })
    }
  }

  /** Sets what is known of `name`. An event tells when state or code are others; `since` is when that was. */
  report(name: string, report: HealthReport): void {
    const before = this.#components.get(name)
    const isSame = before?.state === report.state && before.code === report.code
    const health = { ...report, since: isSame ? before.since : this.#clock.wallMs() }
    this.#components.set(name, health)
    if (!isSame) this.#emit({ kind: 'health.changed', component: name, health })
  }

  /** Forgets a component that is no more, such as a trouble that is over. */
  clear(name: string): void {
    if (!this.#components.has(name) || this.#required.has(name)) return
    this.report(name, { state: 'ok' })
    this.#components.delete(name)
  }

  /** Ready when every required component is not `down`. */
  get isReady(): boolean {
    for (const name of this.#required) if (this.#components.get(name)?.state === 'down') return false
    return true
  }

  health(): Health {
    return { ready: this.isReady, components: Object.fromEntries(this.#components) }
  }
}
