import { contactFilter, defineMethod, type Method } from '../call.ts'
import { consumer, filter, from, integer } from '../params.ts'

const COUNT = 1_000
const COUNT_MAX = 10_000
/** What one answer holds at most, unless a single message is longer. In base64 it still fits in a socket message. */
const BYTES_MAX = 1024 * 1024

export const messagesFetch: Method = defineMethod('messages.fetch', {
  access: 'read',
  params: {
    consumer: consumer.nullable(),
    filter: filter.exactOptional(),
    from: from.exactOptional(),
    max: integer(1, COUNT_MAX).exactOptional(),
    waitMs: integer(0).exactOptional()
  },
  async run(params, { deps, caller, signal, session }) {
    const request = {
      consumer: params.consumer,
      filter: contactFilter(params.filter, deps.peers),
      from: params.from,
      by: caller.name,
      owner: caller.owner,
      countMax: params.max ?? COUNT,
      bytesMax: BYTES_MAX,
      waitMs: Math.min(params.waitMs ?? 0, deps.limits.fetchWaitMsMax),
      connection: session
    }
    return deps.inbox.fetch(request, signal)
  }
})
