import { defineMethod, type Method, sessionOf } from '../call.ts'
import { shortText } from '../params.ts'

export const eventsUnsubscribe: Method = defineMethod('events.unsubscribe', {
  access: 'read',
  params: { subscription: shortText },
  run(params, call) {
    sessionOf(call).removeEvents(params.subscription)
    return {}
  }
})
