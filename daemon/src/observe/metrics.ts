import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Counters } from './counters.ts'

/** A value that is read when the metrics are. */
export type ReadValue = () => number

export interface MetricsOptions {
  /** Also the process's own: memory, CPU, the event loop. Off in tests, where many daemons share a process. */
  readonly hasProcessMetrics: boolean
}

/**
 * The daemon's metrics in Prometheus's format, in a registry of its own. Names start with `parley_`, units are base units, counters end in
 * `_total`. No label names a peer or an app.
 */
export class Metrics {
  readonly #registry = new Registry()

  constructor(counters: Counters, options: MetricsOptions) {
    if (options.hasProcessMetrics) collectDefaultMetrics({ register: this.#registry, prefix: 'parley_' })
    this.#registry.registerMetric(
      new Counter({
        name: 'parley_events_total',
        help: 'How often things happened in the daemon, by name.',
        labelNames: ['event'],
        registers: [],
        collect() {
          this.reset()
          for (const [event, count] of Object.entries(counters.all())) this.inc({ event }, count)
        }
      })
    )
  }

  /** What `/metrics` answers, with `contentType`. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** A gauge whose value is read when asked for. `name` goes without prefix, with its base unit. */
  gauge(name: string, help: string, read: ReadValue): void {
    this.#registry.registerMetric(
      new Gauge({
        name: `parley_${name}`,
        help,
        registers: [],
        collect() {
          this.set(read())
        }
      })
    )
  }

  /** A counter whose value, which never falls, is read when asked for. `name` goes without prefix and without `_total`. */
  counter(name: string, help: string, read: ReadValue): void {
    this.#registry.registerMetric(
      new Counter({
        name: `parley_${name}_total`,
        help,
        registers: [],
        collect() {
          this.reset()
          this.inc(read())
        }
      })
    )
  }
}
