import { DaemonError } from '../errors.ts'
import { openQuestion, type Reply } from './ask.ts'
import type { Clock, Timer } from './clock.ts'
import { type Letter, Mailbox, type MailboxLimits } from './mailbox.ts'

/** How an actor ended: as it or its owner decided, or by an error that nothing had foreseen. */
export type Exit =
  | { readonly type: 'normal'; readonly reason: string }
  | { readonly type: 'crashed'; readonly error: unknown }

/** What an actor does; made anew at every start, so that a restart begins with clean state. */
export interface Behaviour<Message> {
  /** Handles one message. Synchronous: longer work is started here and reports by a message (`Actor.pipe`). */
  receive(message: Message): void
  /** Releases what the actor holds: once, after its children have ended. `exited` and a restart wait for it. */
  stopped?(exit: Exit): void | Promise<void>
}

/** Makes an actor's behaviour, on the stack of whoever creates the actor. What it throws is a crash. */
export type Start<Message> = (self: Actor<Message>) => Behaviour<Message>

/** An actor as others see it. For a supervised child it stays the same over restarts. */
export interface ActorRef<in Message> {
  readonly name: string
  /** Resolves, and never rejects, when the actor has ended for good. */
  readonly exited: Promise<Exit>
  /** False, and not taken, when the actor is not running or full of data; full of control mail, a bug, crashes it. */
  tell(message: Message, kind?: 'data' | 'control'): boolean
  /** Sends data that asks for a reply. @throws {DaemonError} `MAILBOX_FULL`, `TIMED_OUT`, or `STOPPED` before a reply */
  ask<T>(deadlineMs: number, makeMessage: (reply: Reply<T>) => Message): Promise<T>
  /** Ends the actor after the message in hand; waiting mail is dropped. Only the first reason counts. */
  stop(reason: string): void
}

/** Thrown by `receive` for a message that its state does not allow. Names types, never content. */
export class UnexpectedMessageError extends Error {
  constructor(messageType: string, state: string) {
    super(`${messageType} is not valid in state ${state}`)
  }
}

const BURST_COUNT = 64

/**
 * Handles one message at a time, in order of arrival, never on the stack of the teller: a microtask does it, in the same turn,
 * before any I/O, timer or `Clock.endOfTurn` callback. The microtask queue is the run queue: it needs no timer and no state
 * that actors share, and an actor with much mail goes to its end after `BURST_COUNT` messages, so that others have their turn.
 */
export class Actor<Message> implements ActorRef<Message> {
  readonly name: string
  readonly clock: Clock
  readonly #exited = Promise.withResolvers<Exit>()
  readonly exited: Promise<Exit> = this.#exited.promise
  readonly #mailbox: Mailbox<Message>
  readonly #questions = new Set<(error: unknown) => void>()
  readonly #timers = new Set<Timer>()
  readonly #children = new Set<Pick<ActorRef<never>, 'stop' | 'exited'>>()
  #behaviour: Behaviour<Message> | undefined
  #exit: Exit | undefined
  #isBusy = false
  #isScheduled = false
  #isEnding = false

  constructor(options: MailboxLimits & { readonly name: string }, clock: Clock, start: Start<Message>) {
    this.name = options.name
    this.clock = clock
    this.#mailbox = new Mailbox(options)
    this.run(() => {
      this.#behaviour = start(this)
    })
  }

  tell(message: Message, kind: 'data' | 'control' = 'data'): boolean {
    return this.#post({ message, kind, isLive: true })
  }

  ask<T>(deadlineMs: number, makeMessage: (reply: Reply<T>) => Message): Promise<T> {
    if (this.#exit !== undefined) return Promise.reject(new DaemonError('STOPPED', `${this.name} has stopped`))
    const question = openQuestion<T>(this.name, this.clock, deadlineMs, this.#questions)
    if (!this.tell(makeMessage(question))) question.reject(new DaemonError('MAILBOX_FULL', `${this.name} has no room`))
    return question.promise
  }

  stop(reason: string): void {
    this.#exit ??= { type: 'normal', reason }
    this.#endIfDecided()
  }

  /** Ends the actor as crashed, even if it had just decided to stop. */
  crash(error: unknown): void {
    this.#exit = { type: 'crashed', error }
    this.#endIfDecided()
  }

  /** Tells this actor `message`, as control mail, after `delayMs`. Once cancelled it does not arrive, even if it already waits. */
  after(delayMs: number, message: Message): Timer {
    const letter: Letter<Message> = { message, kind: 'control', isLive: true }
    const timer = this.clock.timer(delayMs, () => {
      this.#timers.delete(timer)
      this.#post(letter)
    })
    this.#timers.add(timer)
    const cancel = () => {
      letter.isLive = false
      timer.cancel()
      this.#timers.delete(timer)
    }
    return { cancel }
  }

  /** Tells this actor the outcome of work that it started, as control mail. */
  pipe<T>(work: Promise<T>, done: (value: T) => Message, failed: (error: unknown) => Message): void {
    const told = work.then(done, failed).then(message => this.tell(message, 'control'))
    told.catch(error => this.crash(error))
  }

  /** Runs code as a part of this actor: what it throws is this actor's crash. Not run once the end is decided. */
  run(code: () => void): void {
    if (this.#exit !== undefined) return
    const wasBusy = this.#isBusy
    this.#isBusy = true
    try {
      const result: unknown = code()
      if (result instanceof Promise) throw new TypeError(`${this.name} must not await`)
    } catch (error) {
      this.crash(error)
    }
    this.#isBusy = wasBusy
    this.#endIfDecided()
  }

  /** Makes `child` end before this actor does, the last linked first. Returns what undoes it. */
  link(child: Pick<ActorRef<never>, 'stop' | 'exited'>): () => void {
    if (this.#isEnding) throw new DaemonError('STOPPED', `${this.name} has stopped`)
    this.#children.add(child)
    return () => this.#children.delete(child)
  }

  #post(letter: Letter<Message>): boolean {
    if (this.#exit !== undefined) return false
    if (this.#mailbox.put(letter)) {
      if (!this.#isScheduled) queueMicrotask(this.#drain)
      this.#isScheduled = true
      return true
    }
    if (letter.kind === 'control') this.crash(new DaemonError('MAILBOX_FULL', `${this.name}: no room for control mail`))
    return false
  }

  readonly #drain = (): void => {
    for (let count = 0; count < BURST_COUNT; count++) {
      const letter = this.#mailbox.take()
      this.#isScheduled = letter !== undefined
      if (letter === undefined) return
      if (letter.isLive) this.run(() => this.#behaviour?.receive(letter.message))
    }
    queueMicrotask(this.#drain)
  }

  #endIfDecided(): void {
    const exit = this.#exit
    if (exit === undefined || this.#isBusy || this.#isEnding) return
    this.#isEnding = true
    for (const timer of this.#timers) timer.cancel()
    const cause = exit.type === 'crashed' ? { cause: exit.error } : {}
    const stopped = new DaemonError('STOPPED', `${this.name} has stopped`, cause)
    for (const reject of this.#questions) reject(stopped)
    this.#release(exit).then(this.#exited.resolve, error => this.#exited.resolve({ type: 'crashed', error }))
  }

  async #release(exit: Exit): Promise<Exit> {
    await undefined // Nothing below may run on the stack of whoever stops the actor.
    for (const child of [...this.#children].reverse()) {
      child.stop(`${this.name} stopped`)
      await child.exited
    }
    await this.#behaviour?.stopped?.(exit)
    return exit
  }
}
