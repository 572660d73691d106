/** What a run of seeds must have seen, each at least once; otherwise it has shown less than it says. */
export const EVENTS = [
  'message accepted',
  'message delivered',
  'message not durable delivered',
  'message handled',
  'run of several',
  'large message',
  'send again over HTTP',
  'QUEUE_FULL',
  'expiry no',
  'expiry maybe',
  'cancel',
  'cancel too late',
  'ack',
  'look',
  'takeover',
  'reject',
  'seek',
  'app restarted',
  'redelivery',
  'lost reply',
  'cut',
  'silent cut',
  'delay',
  'duplicated frame',
  'rekey',
  'glare',
  'orderly restart',
  'crash at any moment',
  'crash before a store operation',
  'crash within a store operation',
  'crash after a store operation',
  'failed write',
  'store reopened',
  'clock step forward',
  'clock step back',
  'restore of a sender',
  'restore of a receiver',
  'store.rolled-back',
  'peer.lost-state',
  'block',
  'one-sided contact'
] as const

export type SimulationEvent = (typeof EVENTS)[number]

/** How often each event occurred, over as many seeds as are added. */
export class Tally {
  readonly #counts = new Map<SimulationEvent, number>()

  add(event: SimulationEvent, count = 1): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + count)
  }

  merge(counts: Readonly<Record<string, number>>): void {
    for (const event of EVENTS) this.add(event, counts[event] ?? 0)
  }

  /** Every event, those that never occurred too. */
  counts(): Readonly<Record<SimulationEvent, number>> {
    return Object.fromEntries(EVENTS.map(event => [event, this.#counts.get(event) ?? 0])) as Record<
      SimulationEvent,
      number
    >
  }

  missing(): readonly SimulationEvent[] {
    return EVENTS.filter(event => (this.#counts.get(event) ?? 0) === 0)
  }
}
