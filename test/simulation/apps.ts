import {
  type Client,
  type Message,
  type MethodName,
  type Params,
  ParleyError,
  type Receipt,
  type Result
} from '@parley/client-sdk'
import { bodyOf, hasCode, idAfter, postCall, tokenOf } from './app-calls.ts'
import type { Sent } from './books.ts'
import type { Host } from './host.ts'
import type { Model } from './model.ts'
import type { World } from './world.ts'

/** The consumer that reads everything, and the ones that read in other ways. */
export const ALL = 'all'
export const PICKY = 'picky'
export const SEEKER = 'seeker'
export const PICKY_CHANNEL = 'picky'

export interface SendPlan {
  readonly to: string
  readonly channel: string
  readonly count: number
  readonly bytes: number
  readonly durable: boolean
  readonly ttlMs?: number
  readonly whenFull?: 'wait' | 'fail'
}

/** Thrown for what ends with its daemon or its app, and is no finding. */
const ENDS = new Set(['DAEMON_UNREACHABLE', 'CLOSED', 'TAKEN_OVER', 'SHUTTING_DOWN', 'STOPPED', 'STORE_UNAVAILABLE'])
/** What a call on a store or a consumer may answer beside these. */
const REFUSALS = new Set([
  'CONSUMER_BUSY',
  'NO_SUCH_CONSUMER',
  'NO_SUCH_MESSAGE',
  'NO_SUCH_SUBSCRIPTION',
  'CURSOR_GONE',
  'NOT_READY',
  'MAILBOX_FULL',
  'TOO_MANY_CALLS'
])

/** The programs of one host. They write down in the model what they do and what they are told. */
export class Apps {
  readonly host: Host
  readonly #world: World
  readonly #model: Model
  readonly #stops = new Set<AbortController>()
  readonly #open = new Set<Promise<void>>()
  #client: Client
  #clientCount = 1
  #generation = 0
  #lastNumber = 0
  #lastEvent = { epoch: '', index: 0 }
  isSlow = false
  /** Whether the reader acknowledges all that it reads, at once. */
  isEager = false

  constructor(world: World, host: Host, model: Model) {
    this.#world = world
    this.host = host
    this.#model = model
    this.#client = host.client
    this.#generation = host.generation
  }

  get client(): Client {
    return this.#client
  }

  /** Sends under way, reads and the like. */
  get openCount(): number {
    return this.#open.size
  }

  /** Follows what the daemon tells, and reads everything. */
  start(): void {
    this.#track(this.#followEvents(this.#client, this.#newStop()))
    this.read(false)
  }

  /** These programs end without a word, and are started again. */
  async restart(): Promise<void> {
    this.end()
    this.#client = await this.host.connect()
    this.#clientCount++
    this.#generation = this.host.generation
    this.start()
  }

  end(): void {
    for (const stop of this.#stops) stop.abort()
    this.#stops.clear()
    this.#track(this.#client.close({ drain: false }))
  }

  /** Hands messages over, several as one run. */
  send(plan: SendPlan): void {
    const { to, channel, count, bytes, durable, ttlMs, whenFull } = plan
    const sents = Array.from({ length: count }, () => this.#newSent(to, channel, durable, `app ${this.#clientCount}`))
    const options = {
      channel,
      durable,
      ...(ttlMs !== undefined && { ttlMs }),
      ...(whenFull !== undefined && { whenFull }),
      ...(!durable && { timeoutMs: 3_000 })
    }
    const bodies = sents.map(sent => bodyOf(sent.token, bytes))
    const [only] = bodies
    const done =
      count === 1 && only !== undefined
        ? this.#client.send(to, only, options).then(receipt => {
            this.#accepted(sents, 0, receipt.id)
            if (durable && this.#world.pick(4) === 0) this.#awaitStored(receipt)
          })
        : this.#client.sendRun(to, bodies, options).then(receipt => {
            for (const at of sents.keys()) this.#accepted(sents, at, receipt.idAt(at))
          })
    this.#track(done.catch(error => this.#sendFailed(sents, error)))
  }

  /** One message by POST, said again with the same key until it is answered, and once more after that. */
  sendByHttp(to: string, channel: string): void {
    const sent = this.#newSent(to, channel, true, `http ${this.#lastNumber}`)
    this.#track(this.#postUntilAnswered(sent, to, channel))
  }

  /** Subscribes as the reader of everything. */
  read(takeover: boolean): void {
    const stop = this.#newStop()
    const stream = this.#client.messages({ consumer: ALL, from: 'start', takeover, signal: stop.signal })
    this.#track(this.#take(stream, stop.signal))
  }

  /** Another program reads as the same consumer from now on. */
  async takeOver(): Promise<void> {
    const other = await this.host.connect()
    const old = this.#client
    this.#client = other
    this.#clientCount++
    this.#track(this.#followEvents(other, this.#newStop()))
    this.read(true)
    this.#world.tally.add('takeover')
    this.#track(old.close())
  }

  /** Looks at some of what is there, as nobody. */
  look(): void {
    this.#track(this.askCursor())
    this.#track(
      this.#call('messages.fetch', { consumer: null, from: 'start', max: 20, waitMs: 0 }).then(found => {
        if (found === undefined) return
        this.#world.tally.add('look')
        this.#sawRuns(found, null)
      })
    )
  }

  /** Asks how far the reader of everything is. */
  async askCursor(): Promise<void> {
    const { generation, name } = this.host
    const info = await this.#call('consumers.get', { consumer: ALL })
    if (info !== undefined && generation === this.host.generation) this.#model.cursorIs(name, ALL, info.cursor)
  }

  /** Reads one channel, and rejects or acknowledges what is there. */
  pick(isRejecting: boolean): void {
    this.#track(this.#pick(isRejecting))
  }

  /** Reads on from somewhere else. */
  seek(): void {
    this.#track(this.#seek())
  }

  cancel(sent: Sent): void {
    const { id } = sent
    if (id === undefined) return
    this.#track(
      this.#client.call('messages.cancel', { id }).then(
        () => this.#model.told(this.host.name, id, { state: 'cancelled' }, 'answer', this.host.reloads),
        error => {
          if (hasCode(error, 'ALREADY_SENT')) this.#world.tally.add('cancel too late')
          else this.#assertExpected(error)
        }
      )
    )
  }

  /** Asks how far a message is. */
  async ask(sent: Sent): Promise<void> {
    if (sent.id === undefined) return
    const states = await this.#call('messages.get', { id: sent.id })
    for (const range of states?.ranges ?? [])
      this.#model.told(this.host.name, range.first, range, 'answer', this.host.reloads)
  }

  #awaitStored(receipt: Receipt): void {
    const ends = ['MESSAGE_EXPIRED', 'MESSAGE_REJECTED', 'MESSAGE_CANCELLED']
    this.#track(
      receipt.stored().then(
        () => this.#model.promised(this.host.name, receipt.id),
        error => {
          if (!ends.some(code => hasCode(error, code))) this.#assertExpected(error)
        }
      )
    )
  }

  #newSent(to: string, channel: string, isDurable: boolean, who: string): Sent {
    const number = ++this.#lastNumber
    const stream = `${this.host.name}>${to}/${channel}/${isDurable ? 'durable' : 'plain'}/${who}`
    return this.#model.send({
      token: `${this.host.name}>${to}/${channel}#${number}`,
      from: this.host.name,
      to,
      stream,
      number,
      isDurable,
      startedMs: this.#nowMs()
    })
  }

  #accepted(sents: readonly Sent[], at: number, id: string): void {
    this.#model.accepted(sents[at] as Sent, id, this.#nowMs())
  }

  #sendFailed(sents: readonly Sent[], error: unknown): void {
    if (!(error instanceof ParleyError)) throw error
    const { data } = error
    const ids = (data['ids'] ?? []) as readonly { first: string; count: number }[]
    let at = 0
    for (const { first, count } of ids) {
      for (let offset = 0; offset < count; offset++) this.#accepted(sents, at++, idAfter(first, offset))
    }
    if (error.code === 'QUEUE_FULL') this.#world.tally.add('QUEUE_FULL')
    // After its app has ended nobody knows; and what is not durable may have gone whatever is said.
    if (error.code === 'CLOSED' || data['accepted'] === 'unknown') return
    for (const sent of sents.slice(at)) if (sent.isDurable) this.#model.refused(sent, error.code)
  }

  async #postUntilAnswered(sent: Sent, to: string, channel: string): Promise<void> {
    const params = {
      peer: to,
      channel,
      bodies: [Buffer.from(bodyOf(sent.token, 0)).toString('base64')],
      idempotencyKey: sent.token
    }
    const { generation } = this.host
    for (let answers = 0, tries = 0; answers < 2 && tries < 40; tries++) {
      // A daemon that was restored has forgotten the key.
      if (generation !== this.host.generation) return
      const answer = await postCall(this.host.apps, 'messages.send', params, this.#pause(2_000))
      if (generation !== this.host.generation) return
      if (answer?.result !== undefined) {
        answers++
        this.#model.accepted(sent, answer.result.ids[0]?.first ?? '', this.#nowMs())
        this.#world.tally.add('send again over HTTP')
      } else if (answer?.code !== undefined && !ENDS.has(answer.code) && answer.code !== 'QUEUE_FULL') return
      await this.#pause(200 + this.#world.pick(400))
    }
  }

  async #take(stream: AsyncIterable<Message>, signal: AbortSignal): Promise<void> {
    try {
      for await (const message of stream) {
        if (signal.aborted) return
        this.#saw(message, ALL)
        if (this.isSlow) await this.#pause(this.#world.pick(400))
        if (this.isEager || this.#world.pick(3) === 0) this.#ack(message)
      }
    } catch (error) {
      if (!signal.aborted) this.#assertExpected(error)
    }
  }

  #ack(message: Message): void {
    const { index } = message
    const { name } = this.host
    const generation = this.#generation
    this.#model.ackAsked(name, index)
    this.#track(
      message.ack().then(
        () => {
          if (generation === this.host.generation) this.#model.acked(name, ALL, index)
        },
        error => this.#assertExpected(error)
      )
    )
  }

  async #pick(isRejecting: boolean): Promise<void> {
    const { name } = this.host
    const filter = { channels: [PICKY_CHANNEL] }
    const found = await this.#call('messages.fetch', { consumer: PICKY, filter, max: 5, waitMs: 0 })
    if (found === undefined) return
    this.#sawRuns(found, PICKY)
    const [run] = found.runs
    if (run === undefined) return
    const index = run.first
    this.#model.ackAsked(name, index)
    if (isRejecting) {
      this.#model.rejectAsked(tokenOf(run.bodies[0] as Uint8Array))
      const done = await this.#call('messages.reject', { consumer: PICKY, index, reason: 'not wanted' })
      if (done !== undefined) this.#world.tally.add('reject')
    } else await this.#call('messages.ack', { consumer: PICKY, index })
  }

  async #seek(): Promise<void> {
    const found = await this.#call('messages.fetch', { consumer: SEEKER, from: 'start', max: 10, waitMs: 0 })
    if (found === undefined) return
    this.#sawRuns(found, SEEKER)
    this.#model.sought(this.host.name, SEEKER)
    const after = found.runs[0]?.first ?? 0
    const to = this.#world.pick(2) === 0 ? ('start' as const) : { after }
    const done = await this.#call('consumers.seek', { consumer: SEEKER, to })
    if (done !== undefined) this.#world.tally.add('seek')
  }

  #sawRuns({ runs }: Result<'messages.fetch'>, consumer: string | null): void {
    for (const run of runs) {
      for (const [offset, body] of run.bodies.entries()) {
        this.#saw({ ...run, index: run.first + offset, id: idAfter(run.id, offset), body }, consumer)
      }
    }
  }

  #saw(
    message: Pick<Message, 'index' | 'id' | 'from' | 'redelivered' | 'maybeDuplicate' | 'body'>,
    consumer: string | null
  ): void {
    const { index, id, from, redelivered, maybeDuplicate, body } = message
    if (this.#generation !== this.host.generation) return
    const seen = { index, id, from, redelivered, maybeDuplicate, token: tokenOf(body) }
    this.#model.saw({ ...seen, host: this.host.name, consumer, atMs: this.#nowMs() }, this.#generation)
  }

  async #followEvents(client: Client, stop: AbortController): Promise<void> {
    const { name } = this.host
    const model = this.#model
    const { tally } = this.#world
    try {
      for await (const event of client.events({ after: 'start', signal: stop.signal })) {
        if (event.kind === 'gap' || this.#isOld(event.cursor)) continue
        if (event.kind === 'message.state') {
          const reload = this.host.reloadsAt(event.at)
          for (let offset = 0; offset < event.count; offset++)
            model.told(name, idAfter(event.first, offset), event, 'event', reload)
        } else if (event.kind === 'peer.lost-state') {
          for (let offset = 0; offset < event.count; offset++) model.forgotten(name, idAfter(event.first, offset))
          tally.add('peer.lost-state')
        } else if (event.kind === 'store.rolled-back') tally.add('store.rolled-back')
      }
    } catch (error) {
      if (!stop.signal.aborted) this.#assertExpected(error)
    }
  }

  /** Each program follows from the first event on; what another one was told already is no news. */
  #isOld(cursor: string): boolean {
    const [epoch = '', index = ''] = cursor.split(':')
    if (epoch === this.#lastEvent.epoch && Number(index) <= this.#lastEvent.index) return true
    this.#lastEvent = { epoch, index: Number(index) }
    return false
  }

  /** Undefined where the daemon is away or refuses as it may. */
  async #call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M> | undefined> {
    try {
      return await this.#client.call(method, params)
    } catch (error) {
      this.#assertExpected(error)
      return undefined
    }
  }

  #assertExpected(error: unknown): void {
    if (error instanceof ParleyError && (ENDS.has(error.code) || REFUSALS.has(error.code))) return
    throw error
  }

  #track(work: Promise<void>): void {
    const done = work
      .catch(error => void this.#world.findings.push(`an app of ${this.host.name}: ${(error as Error).stack ?? error}`))
      .finally(() => this.#open.delete(done))
    this.#open.add(done)
  }

  #newStop(): AbortController {
    const stop = new AbortController()
    this.#stops.add(stop)
    return stop
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise(resolve => void this.#world.clock.timer(delayMs, resolve))
  }

  #nowMs(): number {
    return this.#world.clock.monotonicMs()
  }
}
