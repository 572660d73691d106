import type { Params } from '@parley/client-sdk/contract'
import { z } from 'zod'
import type { Accepted, SendKey } from '../../delivery/outbox-api.ts'
import { DaemonError } from '../../errors.ts'
import { type Call, defineMethod, type Method } from '../call.ts'
import type { IpcLimits } from '../limits.ts'
import type { NumberedSends } from '../numbered-sends.ts'
import { bodies, channel, integer, peer, shortText } from '../params.ts'

/** The channel of messages that name none. */
const CHANNEL = 'default'
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000
/** Refused for now: the same number comes again. */
const PASSING: ReadonlySet<string> = new Set(['QUEUE_FULL', 'STORE_UNAVAILABLE', 'SHUTTING_DOWN'])

type SendParams = Params<'messages.send'>

export const messagesSend: Method = defineMethod('messages.send', {
  access: 'send',
  params: {
    peer,
    channel: channel.exactOptional(),
    bodies,
    durable: z.boolean().exactOptional(),
    timeoutMs: integer(0, TIMEOUT_MS_MAX).exactOptional(),
    ttlMs: integer(1).exactOptional(),
    number: integer(1).exactOptional(),
    previous: integer(1).exactOptional(),
    answeredThrough: integer(0).exactOptional(),
    idempotencyKey: shortText.exactOptional()
  },
  byteLists: ['bodies'],
  run(params, call) {
    const { deps } = call
    assertSizes(params.bodies, deps.limits)
    if (params.durable !== false) return sendDurable(params, call)
    for (const name of ['ttlMs', 'number', 'previous', 'answeredThrough', 'idempotencyKey'] as const) {
      if (params[name] !== undefined) throw invalid(name, 'is for a durable send')
    }
    return deps.peers.send({
      peer: params.peer,
      channel: params.channel ?? CHANNEL,
      bodies: params.bodies,
      timeoutMs: params.timeoutMs ?? deps.limits.sendTimeoutMs
    })
  }
})

function sendDurable(params: SendParams, call: Call): Promise<Accepted> {
  const { messageTtlMs, messageTtlMsMax } = call.deps.limits
  const { number, previous, answeredThrough = 0, ttlMs = messageTtlMs } = params
  if (params.timeoutMs !== undefined) throw invalid('timeoutMs', 'is for a send that is not durable; give ttlMs')
  if (ttlMs > messageTtlMsMax) throw invalid('ttlMs', `is at most ${messageTtlMsMax}`)
  if (number === undefined) {
    for (const name of ['previous', 'answeredThrough'] as const) {
      if (params[name] !== undefined) throw invalid(name, 'goes with number')
    }
    return accept(params, ttlMs, keyOf(params, call), call)
  }
  if (params.idempotencyKey !== undefined) throw invalid('idempotencyKey', 'does not go with number')
  if (previous !== undefined && previous >= number) throw invalid('previous', 'is before number')
  if (answeredThrough >= number) throw invalid('answeredThrough', 'is before number')
  const sends = call.session?.sends
  if (sends === undefined) throw invalid('number', 'needs a WebSocket; over POST give idempotencyKey')
  sends.begin(number, previous, answeredThrough)
  const key = { client: sends.client, number, answeredThrough }
  return noting(sends, number, () => accept(params, ttlMs, key, call))
}

function keyOf({ idempotencyKey }: SendParams, { caller }: Call): SendKey | undefined {
  return idempotencyKey === undefined ? undefined : { owner: caller.owner, idempotencyKey }
}

function accept(params: SendParams, ttlMs: number, key: SendKey | undefined, call: Call): Promise<Accepted> {
  const { peers, outbox } = call.deps
  const { contact, fingerprint } = peers.recipient(params.peer)
  return outbox.accept({
    contact,
    fingerprint,
    channel: params.channel ?? CHANNEL,
    bodies: params.bodies,
    ttlMs,
    key
  })
}

/** Notes whether a numbered send was refused for now, also where that is told at once: the next one is judged by it. */
function noting(sends: NumberedSends, number: number, run: () => Promise<Accepted>): Promise<Accepted> {
  const failed = (error: unknown): never => {
    if (error instanceof DaemonError && PASSING.has(error.code)) sends.refuse(number)
    throw error
  }
  const ok = (accepted: Accepted): Accepted => {
    sends.accept(number)
    return accepted
  }
  try {
    return run().then(ok, failed)
  } catch (error) {
    return failed(error)
  }
}

function assertSizes(bodies: readonly Uint8Array[], limits: IpcLimits): void {
  const index = bodies.findIndex(body => body.length > limits.messageBytesMax)
  if (index < 0) return
  const data = { index, messageBytesMax: limits.messageBytesMax }
  throw new DaemonError('TOO_LARGE', `a message has at most ${limits.messageBytesMax} bytes`, { data })
}

function invalid(name: keyof SendParams, how: string): DaemonError {
  return new DaemonError('INVALID_PARAMS', `${name}: ${how}`)
}
