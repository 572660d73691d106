import type { Clock } from './clock.ts'
import { ParleyError } from './errors.ts'
import type { Link } from './link.ts'

/** The daemon is away, stops, or has forgotten: the same file can be gone on with once it is back. */
const PASSING: ReadonlySet<string> = new Set([
  'DAEMON_UNREACHABLE',
  'SHUTTING_DOWN',
  'STOPPED',
  'NOT_READY',
  'NO_SUCH_TRANSFER',
  'TOO_MANY_CALLS'
])
const PAUSE_MS = 200

/** Whether a transfer goes on after this error. */
export function isPassing(error: unknown): error is ParleyError {
  return error instanceof ParleyError && PASSING.has(error.code)
}

/** Waits a moment, and then until the daemon is there. @throws the signal's reason; `CLOSED` and others that end a client */
export async function untilBack(link: Link, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const settle = (run: () => void) => {
      timer.cancel()
      link.detach(listener)
      unwatch()
      run()
    }
    const check = () => {
      if (link.connection !== undefined) settle(resolve)
    }
    const listener = {
      up: () => settle(resolve),
      down: () => undefined,
      ended: (error: ParleyError) => settle(() => reject(error))
    }
    const timer = clock.timer(PAUSE_MS, check)
    const unwatch = link.aborts.watch(signal, reason => settle(() => reject(reason)))
    if (link.ended !== undefined) {
      const { ended } = link
      settle(() => reject(ended))
    } else link.attach(listener)
  })
}
