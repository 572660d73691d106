import { z } from 'zod'
import { defineMethod, type Method, sessionOf } from '../call.ts'
import { requestName } from '../params.ts'

export const requestsServe: Method = defineMethod('requests.serve', {
  access: 'read',
  params: { name: requestName, takeover: z.boolean().exactOptional() },
  run(params, call) {
    const { name, takeover = false } = params
    const by = call.caller.name
    const open = { name, takeover, by }
    const subscription = sessionOf(call).addServing(handlers => call.deps.requests.serve({ ...open, ...handlers }))
    return { subscription }
  }
})
