import { defineMethod, type Method } from '../call.ts'
import { integer, shortText } from '../params.ts'

export const transfersList: Method = defineMethod('transfers.list', {
  access: 'read',
  params: { after: shortText.exactOptional(), waitMs: integer(0).exactOptional() },
  run({ after, waitMs }, { deps, signal }) {
    const ended = AbortSignal.any([signal, deps.stopping])
    return deps.transfers.list(after, Math.min(waitMs ?? 0, deps.limits.fetchWaitMsMax), ended)
  }
})
