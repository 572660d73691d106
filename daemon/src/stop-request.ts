import type { Clock } from './actor/clock.ts'
import type { Log } from './observe/log-port.ts'

/** What a daemon takes of the process that it runs in. */
export type DaemonHost = Pick<NodeJS.Process, 'pid' | 'stderr' | 'on' | 'off' | 'exit'>

/** npm and the terminal both pass a Ctrl-C on: two within this time are one. */
const SAME_INTERRUPT_MS = 500
const EXIT_OK = 0
export const EXIT_INTERNAL = 2
const EXIT_INTERRUPTED = 130

/** Who may end the daemon: TERM and INT ask, a second INT forces, and what nobody caught fails it. */
export class StopRequest {
  /** Resolves when somebody asked for an orderly stop. */
  readonly requested: Promise<void>
  /** Resolves when the daemon cannot go on. */
  readonly failed: Promise<void>
  /** What the process is to end with. */
  exitCode: number = EXIT_OK
  readonly #host: DaemonHost
  readonly #clock: Clock
  readonly #log: Log
  readonly #requested = Promise.withResolvers<void>()
  readonly #failed = Promise.withResolvers<void>()
  #interruptedAtMs: number | undefined
  readonly #onInterrupt = (): void => this.#interrupt()
  readonly #onTerminate = (): void => this.request('it was told to by a signal')
  readonly #onUncaught = (error: Error): void => this.fail(error)

  constructor(host: DaemonHost, clock: Clock, log: Log) {
    this.#host = host
    this.#clock = clock
    this.#log = log
    this.requested = this.#requested.promise
    this.failed = this.#failed.promise
    host.on('SIGINT', this.#onInterrupt)
    host.on('SIGTERM', this.#onTerminate)
    host.on('uncaughtException', this.#onUncaught)
  }

  request(why: string): void {
    this.#log.info({ why }, 'stopping')
    this.#requested.resolve()
  }

  fail(error: Error): void {
    this.#log.error({ err: error }, 'the daemon failed')
    this.exitCode = EXIT_INTERNAL
    this.#failed.resolve()
  }

  dispose(): void {
    this.#host.off('SIGINT', this.#onInterrupt)
    this.#host.off('SIGTERM', this.#onTerminate)
    this.#host.off('uncaughtException', this.#onUncaught)
  }

  #interrupt(): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.#interruptedAtMs === undefined) {
      this.#interruptedAtMs = nowMs
      this.request('it was interrupted')
    } else if (nowMs - this.#interruptedAtMs > SAME_INTERRUPT_MS) {
      this.#log.warn({}, 'interrupted again: ending at once')
      this.#host.exit(EXIT_INTERRUPTED)
    }
  }
}
