import type { Clock } from '../actor/clock.ts'
import { DaemonError } from '../errors.ts'
import type { ByteStream, NodeId, Transport } from '../transport/port.ts'

export interface DialRoundOptions {
  readonly transport: Transport
  readonly clock: Clock
  readonly nodeId: NodeId
  /** Tried in this order; the first that answers wins. */
  readonly addresses: readonly string[]
  readonly protocol: string
  /** One address. */
  readonly dialTimeoutMs: number
  /** The next address is tried when this has passed without an answer, or at once when one has failed. */
  readonly staggerMs: number
  readonly signal: AbortSignal
}

/** The more telling of two failures: what the right node said, what answered at all, what is only silence. */
const TELLING = ['NOT_ACCEPTED', 'WRONG_NODE', 'DIAL_FAILED'] as const

/**
 * Dials the addresses of one contact, staggered, and returns the first stream. The others are given up, and reset if they come late.
 *
 * @throws {DaemonError} `NOT_ACCEPTED` `WRONG_NODE` `DIAL_FAILED`; the signal's reason when aborted
 */
export async function dialRound(options: DialRoundOptions): Promise<ByteStream> {
  const { addresses, signal, clock, staggerMs } = options
  const attempts = new AbortController()
  const outcome = Promise.withResolvers<ByteStream>()
  const failures: unknown[] = []
  let isDecided = false
  let next = 0

  const decide = (settle: () => void) => {
    if (isDecided) return
    isDecided = true
    stagger.cancel()
    signal.removeEventListener('abort', aborted)
    settle()
    attempts.abort(new DaemonError('STOPPED', 'another address was faster'))
  }
  const aborted = () => decide(() => outcome.reject(signal.reason))
  const succeeded = (stream: ByteStream) => {
    if (isDecided) stream.reset('another address was faster')
    else decide(() => outcome.resolve(stream))
  }
  const failed = (error: unknown) => {
    failures.push(error)
    if (failures.length === addresses.length) decide(() => outcome.reject(mostTelling(failures)))
    else startNext()
  }
  const startNext = () => {
    stagger.cancel()
    const address = addresses[next++]
    if (address === undefined || isDecided) return
    dialOne(options, address, attempts.signal).then(succeeded, failed)
    stagger = clock.timer(staggerMs, startNext)
  }

  let stagger = clock.timer(0, startNext)
  if (addresses.length === 0) decide(() => outcome.reject(new DaemonError('DIAL_FAILED', 'no address is known')))
  else if (signal.aborted) aborted()
  else signal.addEventListener('abort', aborted)
  return outcome.promise
}

async function dialOne(options: DialRoundOptions, address: string, signal: AbortSignal): Promise<ByteStream> {
  const { transport, clock, nodeId, protocol, dialTimeoutMs } = options
  const own = new AbortController()
  const forward = () => own.abort(signal.reason)
  signal.addEventListener('abort', forward)
  const deadline = clock.timer(dialTimeoutMs, () =>
    own.abort(new DaemonError('DIAL_FAILED', `${address} did not answer in ${dialTimeoutMs} ms`))
  )
  try {
    return await transport.dial({ nodeId, address, protocol, signal: own.signal })
  } finally {
    deadline.cancel()
    signal.removeEventListener('abort', forward)
  }
}

function mostTelling(failures: readonly unknown[]): unknown {
  for (const code of TELLING) {
    const found = failures.find(failure => failure instanceof DaemonError && failure.code === code)
    if (found !== undefined) return found
  }
  return failures[0]
}
