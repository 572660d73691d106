import { DaemonError } from '../errors.ts'
import type { Clock } from './clock.ts'

/** The way back to whoever asked: the first call counts, one after the deadline does nothing. `reject` is for expected failures. */
export type Reply<T> = Pick<PromiseWithResolvers<T>, 'resolve' | 'reject'>

/** What an actor was asked and has not answered, so that its end can answer all. */
export class OpenQuestions {
  readonly #open = new Set<(error: unknown) => void>()

  /** Makes a reply and its promise, which fails with `TIMED_OUT` when `deadlineMs` pass first. */
  open<T>(name: string, clock: Clock, deadlineMs: number): PromiseWithResolvers<T> {
    const question = Promise.withResolvers<T>()
    const timeOut = () => question.reject(new DaemonError('TIMED_OUT', `${name} did not answer in time`))
    const timer = clock.timer(deadlineMs, timeOut)
    const close = () => {
      timer.cancel()
      this.#open.delete(question.reject)
    }
    this.#open.add(question.reject)
    question.promise.then(close, close)
    return question
  }

  failAll(error: DaemonError): void {
    for (const reject of this.#open) reject(error)
  }
}
