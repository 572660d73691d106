import { defineMethod, type Method, sessionOf } from '../call.ts'
import { shortText } from '../params.ts'

export const requestsUnserve: Method = defineMethod('requests.unserve', {
  access: 'read',
  params: { subscription: shortText },
  run(params, call) {
    sessionOf(call).removeServing(params.subscription)
    return {}
  }
})
