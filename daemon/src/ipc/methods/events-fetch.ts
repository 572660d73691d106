import { defineMethod, type Method } from '../call.ts'
import { eventsAfter, integer } from '../params.ts'

const COUNT = 1_000

export const eventsFetch: Method = defineMethod('events.fetch', {
  access: 'read',
  params: {
    after: eventsAfter.exactOptional(),
    max: integer(1, COUNT).exactOptional(),
    waitMs: integer(0).exactOptional()
  },
  run(params, { deps, signal }) {
    const waitMs = Math.min(params.waitMs ?? 0, deps.limits.fetchWaitMsMax)
    const ended = AbortSignal.any([signal, deps.stopping])
    return deps.events.fetch(params.after ?? 'start', params.max ?? COUNT, waitMs, ended)
  }
})
