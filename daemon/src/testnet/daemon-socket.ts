import { type Client, connect, type NodeStatus, ParleyError } from '@parley/client-sdk'
import { clock, pause } from '../offline.ts'

// How a test network speaks to a daemon of its own, that may be slow, stopped, or gone.

const ASK_TIMEOUT_MS = 2_000
const LOOK_INTERVAL_MS = 20

/** A signal that is aborted with `TIMED_OUT` after `timeoutMs`, or with another one. */
export function deadline(
  timeoutMs: number,
  message: string,
  other?: AbortSignal
): { readonly signal: AbortSignal; [Symbol.dispose](): void } {
  const own = new AbortController()
  const timer = clock.timer(timeoutMs, () => own.abort(new ParleyError('TIMED_OUT', message)))
  const signal = other === undefined ? own.signal : AbortSignal.any([own.signal, other])
  return { signal, [Symbol.dispose]: () => timer.cancel() }
}

/** A connection to the daemon of a socket, once it is ready. @throws the signal's reason */
export async function whenReady(socket: string, signal: AbortSignal): Promise<Client> {
  for (;;) {
    const client = await connectIfThere(socket, signal)
    if (client !== undefined) {
      const status = await statusOf(client, signal)
      if (status?.ready) return client
      await client.close({ drain: false })
    }
    await pause(LOOK_INTERVAL_MS, signal)
  }
}

/** The status of the daemon of a socket; undefined where none is, `'silent'` where something is that does not answer. */
export async function askStatus(socket: string): Promise<NodeStatus | 'silent' | undefined> {
  using late = deadline(ASK_TIMEOUT_MS, `Nothing answers on ${socket}.`)
  try {
    const client = await connectIfThere(socket, late.signal)
    if (client === undefined) return undefined
    try {
      return await statusOf(client, late.signal)
    } finally {
      await client.close({ drain: false })
    }
  } catch (error) {
    if (late.signal.aborted) return 'silent'
    throw error
  }
}

/** Asks the daemon of a socket to stop, and waits until nothing answers there. At once where nothing does. @throws the signal's reason */
export async function shutDown(socket: string, signal: AbortSignal): Promise<void> {
  const client = await connectIfThere(socket, signal)
  if (client === undefined) return
  try {
    await client.shutdown({ signal })
  } catch (error) {
    // It went before it answered, or is going already: that is what was asked.
    if (!isGone(error)) throw error
  } finally {
    await client.close({ drain: false })
  }
  for (;;) {
    const other = await connectIfThere(socket, signal)
    if (other === undefined) return
    await other.close({ drain: false })
    await pause(LOOK_INTERVAL_MS, signal)
  }
}

async function connectIfThere(socket: string, signal: AbortSignal): Promise<Client | undefined> {
  try {
    return await connect({ socket, signal, name: 'testnet' })
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

async function statusOf(client: Client, signal: AbortSignal): Promise<NodeStatus | undefined> {
  try {
    return await client.status({ signal })
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof ParleyError && ['DAEMON_UNREACHABLE', 'SHUTTING_DOWN', 'NOT_READY', 'CLOSED'].includes(error.code)
  )
}
