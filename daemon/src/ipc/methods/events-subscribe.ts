import { defineMethod, type Method, sessionOf } from '../call.ts'
import { eventsAfter } from '../params.ts'

export const eventsSubscribe: Method = defineMethod('events.subscribe', {
  access: 'read',
  params: { after: eventsAfter.exactOptional() },
  run(params, call) {
    const { id, cursor } = sessionOf(call).addEvents(params.after ?? 'now')
    return { subscription: id, cursor }
  }
})
