import type { Clock } from './clock.ts'
import type { ParleyError } from './errors.ts'
import type { Link } from './link.ts'

interface AckGroup {
  index: number
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Acknowledges messages of one consumer. All acks of a turn, and those that come while a call is in flight, share one call; what a
 * lost connection left open is said again on the next one.
 */
export class Acker {
  readonly #consumer: string
  readonly #link: Link
  readonly #clock: Clock
  #inbox: string
  #next: AckGroup | undefined
  #current: AckGroup | undefined
  #scheduled = false
  #whenSettled: (() => void)[] = []

  constructor(consumer: string, link: Link, clock: Clock) {
    this.#consumer = consumer
    this.#link = link
    this.#clock = clock
    this.#inbox = link.hello.inbox
    link.attach({
      up: (_connection, hello) => this.#up(hello.inbox),
      down: () => this.#tellSettled(),
      ended: error => this.#end(error)
    })
  }

  /** Acknowledges everything up to and including `index`; what came from an inbox that is gone needs no ack and resolves. */
  ack(inbox: string, index: number): Promise<void> {
    if (this.#link.ended !== undefined) return Promise.reject(this.#link.ended)
    if (inbox !== this.#inbox) return Promise.resolve()
    this.#next ??= newGroup(index)
    this.#next.index = Math.max(this.#next.index, index)
    this.#schedule()
    return this.#next.promise
  }

  /** Resolves once no ack is open, or the daemon is away: then what is open must wait for it. */
  settled(): Promise<void> {
    if (this.#isIdle() || this.#link.connection === undefined) return Promise.resolve()
    return new Promise(resolve => this.#whenSettled.push(resolve))
  }

  #isIdle(): boolean {
    return this.#next === undefined && this.#current === undefined
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.endOfTurn(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const connection = this.#link.connection
    if (connection === undefined || this.#current !== undefined || this.#next === undefined) return
    const group = this.#next
    this.#next = undefined
    this.#current = group
    connection.request(
      'messages.ack',
      { consumer: this.#consumer, index: group.index },
      { ok: () => this.#settle(group.resolve), failed: error => this.#failed(group, error) }
    )
  }

  #failed(group: AckGroup, error: ParleyError): void {
    if (error.code !== 'DAEMON_UNREACHABLE') {
      this.#settle(() => group.reject(error))
      return
    }
    // It stays open; acks that came meanwhile are told of by their own group.
    this.#current = undefined
    const later = this.#next
    this.#next = group
    if (later !== undefined) {
      group.index = Math.max(group.index, later.index)
      group.promise.then(later.resolve, later.reject)
    }
  }

  #settle(run: () => void): void {
    this.#current = undefined
    run()
    this.#flush()
    this.#tellSettled()
  }

  #up(inbox: string): void {
    if (inbox !== this.#inbox) {
      this.#inbox = inbox
      this.#next?.resolve()
      this.#next = undefined
    }
    this.#flush()
    this.#tellSettled()
  }

  #end(error: ParleyError): void {
    this.#next?.reject(error)
    this.#next = undefined
    this.#current = undefined
    this.#tellSettled()
  }

  #tellSettled(): void {
    if (!this.#isIdle() && this.#link.connection !== undefined) return
    for (const resolve of this.#whenSettled.splice(0)) resolve()
  }
}

function newGroup(index: number): AckGroup {
  const group = { index, ...Promise.withResolvers<void>() }
  // An app need not wait for an ack: one that failed means that the message comes again.
  group.promise.catch(() => undefined)
  return group
}
