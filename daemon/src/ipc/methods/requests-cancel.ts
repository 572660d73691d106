import { defineMethod, type Method } from '../call.ts'
import { shortText } from '../params.ts'

export const requestsCancel: Method = defineMethod('requests.cancel', {
  access: 'send',
  params: { id: shortText },
  run(params, { deps }) {
    deps.requests.cancel(params.id)
    return {}
  }
})
