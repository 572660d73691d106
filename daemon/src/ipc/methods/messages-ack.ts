import { defineMethod, type Method } from '../call.ts'
import { consumer, integer } from '../params.ts'

export const messagesAck: Method = defineMethod('messages.ack', {
  access: 'read',
  params: { consumer, index: integer(0) },
  run(params, { deps }) {
    deps.inbox.ack(params.consumer, params.index)
    return {}
  }
})
