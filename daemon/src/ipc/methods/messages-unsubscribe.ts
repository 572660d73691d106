import { defineMethod, type Method, sessionOf } from '../call.ts'
import { shortText } from '../params.ts'

export const messagesUnsubscribe: Method = defineMethod('messages.unsubscribe', {
  access: 'read',
  params: { subscription: shortText },
  run(params, call) {
    sessionOf(call).removeMessages(params.subscription)
    return {}
  }
})
