import { DaemonError } from '../../errors.ts'
import { defineMethod, type Method } from '../call.ts'
import type { PeersApi, Recipient } from '../node-api.ts'
import { body, integer, peer, requestName, shortText } from '../params.ts'

export const requestsSend: Method = defineMethod('requests.send', {
  access: 'send',
  params: { peer, name: requestName, body, timeoutMs: integer(1).exactOptional(), id: shortText.exactOptional() },
  bytes: ['body'],
  async run(params, { deps, signal }) {
    const { messageBytesMax, requestAnswerMs, requestAnswerMsMax } = deps.limits
    const { name, timeoutMs = requestAnswerMs, id } = params
    if (params.body.length > messageBytesMax) {
      const data = { messageBytesMax, executed: 'no' }
      throw new DaemonError('TOO_LARGE', `a request has at most ${messageBytesMax} bytes`, { data })
    }
    if (timeoutMs > requestAnswerMsMax)
      throw new DaemonError('INVALID_PARAMS', `timeoutMs: must be at most ${requestAnswerMsMax}`)
    const { contact } = recipientOf(params.peer, deps.peers)
    return { body: await deps.requests.send({ contact, name, body: params.body, timeoutMs, id }, signal) }
  }
})

/** Whoever asks is told of every failure whether the request may have been executed. */
function recipientOf(peer: string, peers: PeersApi): Recipient {
  try {
    return peers.recipient(peer)
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error
    const { code, message, data } = error
    throw new DaemonError(code, message, { cause: error, data: { ...data, executed: 'no' } })
  }
}
