import type { ErrorCode, NodeEvent, NotificationName, Notifications } from '@parley/client-sdk/contract'
import type { Clock } from '../actor/clock.ts'
import type { Subscription } from '../delivery/inbox/inbox.ts'
import type { TakeRun } from '../delivery/inbox/reader.ts'
import type { ServeRequest, Serving } from '../delivery/requests/api.ts'
import { DaemonError } from '../errors.ts'
import type { Events, EventsAfter } from '../observe/events.ts'
import type { NumberedSends } from './numbered-sends.ts'

/** Events in one notification. */
const EVENT_COUNT = 256

export type Push = <N extends NotificationName>(method: N, params: Notifications[N]) => void

export interface SessionDeps {
  readonly events: Events
  readonly clock: Clock
  readonly subscriptionCountMax: number
  readonly push: Push
  /** Whether the connection takes more pushes; when not, `resume` is called once it does. */
  readonly hasRoom: () => boolean
  /** Runs code so that what it throws ends this connection, not whoever caused it. */
  readonly guard: (code: () => void) => void
}

/** Opens a subscription at the inbox, given what takes its runs and what hears of its end. */
export type OpenMessages = (take: TakeRun, ended: (code: ErrorCode) => void) => Promise<Subscription>

/** Begins to serve requests, given what takes them and what hears of the end. */
export type OpenServing = (handlers: Pick<ServeRequest, 'take' | 'ended'>) => Serving

/** What one connection has under way beside its calls: its hello and its subscriptions. */
export class Session {
  clientName: string | undefined
  sends: NumberedSends | undefined
  readonly #deps: SessionDeps
  readonly #messages = new Map<string, Subscription>()
  readonly #events = new Map<string, EventPusher>()
  readonly #servings = new Map<string, Serving>()
  /** What begins subscriptions whose opening has not been answered yet. */
  readonly #unstarted = new Map<string, () => void>()
  #openingCount = 0
  #isClosed = false
  #lastId = 0

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  /** Opens a subscription to messages. Nothing is pushed before `start`. */
  async addMessages(open: OpenMessages): Promise<{ readonly id: string; readonly next: number }> {
    const id = this.#newId()
    const { guard, push, hasRoom } = this.#deps
    const take: TakeRun = run => {
      let isMoreWanted = false
      guard(() => {
        push('messages.deliver', { ...run, subscription: id })
        isMoreWanted = hasRoom()
      })
      return isMoreWanted
    }
    let endCode: ErrorCode | undefined
    const ended = (code: ErrorCode) =>
      guard(() => {
        endCode = code
        if (this.#messages.delete(id)) push('messages.ended', { subscription: id, code })
      })
    this.#openingCount++
    const subscription = await open(take, ended).finally(() => {
      this.#openingCount--
    })
    if (endCode !== undefined) throw new DaemonError(endCode, 'the subscription ended before it began')
    if (this.#isClosed) {
      subscription.close()
      throw new DaemonError('STOPPED', 'the connection is gone')
    }
    this.#messages.set(id, subscription)
    this.#unstarted.set(id, () => subscription.resume())
    return { id, next: subscription.next }
  }

  /** @throws {DaemonError} `NO_SUCH_SUBSCRIPTION` */
  messages(id: string): Subscription {
    const subscription = this.#messages.get(id)
    if (subscription === undefined) throw noSuch(id)
    return subscription
  }

  removeMessages(id: string): void {
    this.messages(id).close()
    this.#messages.delete(id)
  }

  /** Opens a subscription to events. Nothing is pushed before `start`. @throws {DaemonError} `CURSOR_GONE` */
  addEvents(after: EventsAfter): { readonly id: string; readonly cursor: string } {
    const { cursor } = this.#deps.events.read(after, 0)
    const id = this.#newId()
    const ended = (code: ErrorCode) => {
      this.#events.delete(id)
      this.#deps.push('events.ended', { subscription: id, code })
    }
    const send = (events: readonly NodeEvent[]) => this.#deps.push('events.event', { subscription: id, events })
    const pusher = new EventPusher({ ...this.#deps, cursor, send, ended })
    this.#events.set(id, pusher)
    this.#unstarted.set(id, () => pusher.start())
    return { id, cursor }
  }

  removeEvents(id: string): void {
    const pusher = this.#events.get(id)
    if (pusher === undefined) throw noSuch(id)
    pusher.stop()
    this.#events.delete(id)
  }

  /** Serves requests of a name. Nothing is pushed before `start`. */
  addServing(open: OpenServing): string {
    const id = this.#newId()
    const { guard, push, hasRoom } = this.#deps
    const serving = open({
      take: request => {
        let isMoreWanted = false
        guard(() => {
          push('requests.request', { ...request, subscription: id })
          isMoreWanted = hasRoom()
        })
        return isMoreWanted
      },
      ended: code =>
        guard(() => {
          if (this.#servings.delete(id)) push('requests.ended', { subscription: id, code })
        })
    })
    this.#servings.set(id, serving)
    this.#unstarted.set(id, () => serving.resume())
    return id
  }

  /** @throws {DaemonError} `NO_SUCH_SUBSCRIPTION` */
  serving(id: string): Serving {
    const serving = this.#servings.get(id)
    if (serving === undefined) throw noSuch(id)
    return serving
  }

  removeServing(id: string): void {
    this.serving(id).close()
    this.#servings.delete(id)
  }

  /** Starts what a call has opened: `result` is its answer, and was sent. */
  start(result: object): void {
    if (!('subscription' in result) || typeof result.subscription !== 'string') return
    const begin = this.#unstarted.get(result.subscription)
    this.#unstarted.delete(result.subscription)
    begin?.()
  }

  /** There is room to push again. */
  resume(): void {
    const isStarted = ([id]: [string, unknown]) => !this.#unstarted.has(id)
    for (const [, subscription] of [...this.#messages].filter(isStarted)) subscription.resume()
    for (const [, serving] of [...this.#servings].filter(isStarted)) serving.resume()
    for (const pusher of [...this.#events.values()]) pusher.pump()
  }

  /** Ends the events subscriptions with a word; the inbox ends its own. */
  endEvents(code: ErrorCode): void {
    for (const pusher of [...this.#events.values()]) pusher.end(code)
  }

  /** Ends all without a word. */
  close(): void {
    this.#isClosed = true
    for (const subscription of this.#messages.values()) subscription.close()
    for (const pusher of this.#events.values()) pusher.stop()
    for (const serving of this.#servings.values()) serving.close()
    this.#servings.clear()
    this.#messages.clear()
    this.#events.clear()
  }

  #newId(): string {
    const { subscriptionCountMax } = this.#deps
    const count = this.#messages.size + this.#events.size + this.#servings.size + this.#openingCount
    if (count >= subscriptionCountMax) {
      throw new DaemonError('TOO_MANY_CALLS', `a connection has at most ${subscriptionCountMax} subscriptions`)
    }
    return `s${++this.#lastId}`
  }
}

interface EventPusherOptions extends Pick<SessionDeps, 'events' | 'clock' | 'hasRoom' | 'guard'> {
  readonly cursor: string
  readonly send: (events: readonly NodeEvent[]) => void
  readonly ended: (code: ErrorCode) => void
}

/** Follows the events and pushes what is new once a turn. */
class EventPusher {
  readonly #options: EventPusherOptions
  #cursor: string
  #unlisten: (() => void) | undefined
  #isScheduled = false

  constructor(options: EventPusherOptions) {
    this.#options = options
    this.#cursor = options.cursor
  }

  start(): void {
    this.#unlisten = this.#options.events.listen(() => this.#schedule())
    this.pump()
  }

  pump(): void {
    this.#options.guard(() => this.#push())
  }

  stop(): void {
    this.#unlisten?.()
    this.#unlisten = undefined
  }

  end(code: ErrorCode): void {
    this.stop()
    this.#options.ended(code)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#options.clock.endOfTurn(() => {
      this.#isScheduled = false
      this.pump()
    })
  }

  #push(): void {
    const { events, hasRoom, send } = this.#options
    try {
      while (this.#unlisten !== undefined && hasRoom()) {
        const page = events.read(this.#cursor, EVENT_COUNT)
        if (page.events.length === 0) return
        this.#cursor = page.cursor
        send(page.events)
      }
    } catch (error) {
      if (!(error instanceof DaemonError) || error.code !== 'CURSOR_GONE') throw error
      this.end('CURSOR_GONE')
    }
  }
}

function noSuch(id: string): DaemonError {
  return new DaemonError('NO_SUCH_SUBSCRIPTION', `this connection has no subscription ${id}`)
}
