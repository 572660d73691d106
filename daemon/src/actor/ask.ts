import { DaemonError } from '../errors.ts'
import type { Clock } from './clock.ts'

/** The way back to whoever asked. The first call counts; one after the deadline does nothing. */
export interface Reply<T> {
  resolve(value: T): void
  /** Fails the question as expected things fail: the actor goes on. */
  reject(error: Error): void
}

/** What an actor was asked and has not answered, so that its end can answer all. */
export class OpenQuestions {
  readonly #open = new Set<(error: Error) => void>()

  /** The answer fails with `TIMED_OUT` when `deadlineMs` pass without a reply. */
  open<T>(name: string, clock: Clock, deadlineMs: number): { readonly answer: Promise<T>; readonly reply: Reply<T> } {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const settle = (end: () => void) => {
      timer.cancel()
      this.#open.delete(fail)
      end()
    }
    const fail = (error: Error) => settle(() => reject(error))
    const timer = clock.timer(deadlineMs, () => fail(new DaemonError('TIMED_OUT', `${name} did not answer in time`)))
    this.#open.add(fail)
    return { answer: promise, reply: { resolve: value => settle(() => resolve(value)), reject: fail } }
  }

  failAll(error: Error): void {
    for (const fail of this.#open) fail(error)
  }
}
