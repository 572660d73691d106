import { DaemonError } from '../errors.ts'
import type { Clock } from './clock.ts'

/** The way back to whoever asked: the first call counts, one after the deadline does nothing. `reject` is for expected failures. */
export type Reply<T> = Pick<PromiseWithResolvers<T>, 'resolve' | 'reject'>

/**
 * Makes a reply and its promise, which fails with `TIMED_OUT` when `deadlineMs` pass first. Until it settles, `open` holds its
 * `reject`, so that the end of an actor can answer all that it was asked.
 */
export function openQuestion<T>(
  name: string,
  clock: Clock,
  deadlineMs: number,
  open: Set<(error: unknown) => void>
): PromiseWithResolvers<T> {
  const question = Promise.withResolvers<T>()
  const timeOut = () => question.reject(new DaemonError('TIMED_OUT', `${name} did not answer in time`))
  const timer = clock.timer(deadlineMs, timeOut)
  const close = () => {
    timer.cancel()
    open.delete(question.reject)
  }
  open.add(question.reject)
  question.promise.then(close, close)
  return question
}
