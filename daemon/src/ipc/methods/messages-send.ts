import { z } from 'zod'
import { DaemonError } from '../../errors.ts'
import { defineMethod, type Method } from '../call.ts'
import type { IpcLimits } from '../limits.ts'
import { bodies, channel, integer, peer, shortText } from '../params.ts'

/** The channel of messages that name none. */
const CHANNEL = 'default'
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000

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
  run(params, { deps }) {
    if (params.durable !== false) {
      throw new DaemonError('NOT_SUPPORTED', 'only durable: false can be sent, and it must be said')
    }
    const name = params.channel ?? CHANNEL
    assertSizes(params.bodies, deps.limits)
    return deps.peers.send({
      peer: params.peer,
      channel: name,
      bodies: params.bodies,
      timeoutMs: params.timeoutMs ?? deps.limits.sendTimeoutMs
    })
  }
})

function assertSizes(bodies: readonly Uint8Array[], limits: IpcLimits): void {
  const index = bodies.findIndex(body => body.length > limits.messageBytesMax)
  if (index < 0) return
  const data = { index, messageBytesMax: limits.messageBytesMax }
  throw new DaemonError('TOO_LARGE', `a message has at most ${limits.messageBytesMax} bytes`, { data })
}
