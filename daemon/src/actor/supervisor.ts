import { Actor, type ActorRef, type Exit, type Start } from './actor.ts'
import type { Timer } from './clock.ts'
import type { MailboxLimits } from './mailbox.ts'

/** Whether a child that ended starts again: `temporary` never, `transient` after a crash, `permanent` always. */
export type RestartPolicy =
  | { readonly type: 'temporary' }
  | {
      readonly type: 'permanent' | 'transient'
      /** Restarts within `windowMs`; when one more would be due, `whenExhausted` happens instead: a parent's crash, or nothing. */
      readonly restartCountMax: number
      readonly windowMs: number
      /** Wait before the first restart of a window; doubled for each further one up to `backOffMaxMs`. */
      readonly backOffMs: number
      readonly backOffMaxMs: number
      readonly whenExhausted: 'escalate' | 'give-up'
    }

/** What follows the end of a child; `end` where it was stopped or its policy asks for no restart. */
export type ExitConsequence = 'restart' | 'end' | 'give-up' | 'escalate'

export interface ChildSpec<Message> extends MailboxLimits {
  readonly name: string
  readonly start: Start<Message>
  readonly restart: RestartPolicy
  /** Runs as a part of the parent: what it throws is the parent's crash. Not called once the parent's end is decided. */
  readonly onExit?: (exit: Exit, consequence: ExitConsequence) => void
}

/** The part of an actor that supervision needs. */
type Parent = Pick<Actor<never>, 'name' | 'clock' | 'run' | 'link'>

/**
 * Starts a child of `parent` and restarts it one for one. While it waits for a restart it is not running: mail is not taken.
 * A stop of the child or its parent ends it for good.
 */
export function supervise<Message>(parent: Parent, spec: ChildSpec<Message>): ActorRef<Message> {
  const name = `${parent.name}/${spec.name}`
  const { promise: exited, resolve } = Promise.withResolvers<Exit>()
  let restartsAtMs: number[] = []
  let backOff: Timer | undefined
  let isStopped = false
  let actor: Actor<Message>

  const start = () => {
    backOff = undefined
    actor = new Actor({ ...spec, name }, parent.clock, spec.start)
    void actor.exited.then(ended)
  }
  const ended = (exit: Exit) => {
    const consequence = consequenceOf(exit)
    if (consequence !== 'restart') {
      unlink()
      resolve(exit)
    }
    parent.run(() => {
      spec.onExit?.(exit, consequence)
      if (consequence === 'escalate') throw new Error(`${name} ended too often`, { cause: exit })
    })
  }
  const consequenceOf = (exit: Exit): ExitConsequence => {
    const policy = spec.restart
    if (isStopped || policy.type === 'temporary' || (policy.type === 'transient' && exit.type === 'normal'))
      return 'end'
    const nowMs = parent.clock.monotonicMs()
    restartsAtMs = restartsAtMs.filter(atMs => nowMs - atMs < policy.windowMs)
    if (restartsAtMs.length >= policy.restartCountMax) return policy.whenExhausted
    backOff = parent.clock.timer(Math.min(policy.backOffMs * 2 ** restartsAtMs.length, policy.backOffMaxMs), start)
    restartsAtMs.push(nowMs)
    return 'restart'
  }
  const child: ActorRef<Message> = {
    name,
    exited,
    tell: (message, kind) => actor.tell(message, kind),
    ask: (deadlineMs, makeMessage) => actor.ask(deadlineMs, makeMessage),
    stop: reason => {
      isStopped = true
      actor.stop(reason)
      if (backOff !== undefined) void Promise.resolve<Exit>({ type: 'normal', reason }).then(ended)
      backOff?.cancel()
      backOff = undefined
    }
  }
  const unlink = parent.link(child)
  start()
  return child
}
