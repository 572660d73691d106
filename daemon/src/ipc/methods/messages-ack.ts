import { defineMethod, type Method } from '../call.ts'
import { consumer, integer } from '../params.ts'

export const messagesAck: Method = defineMethod('messages.ack', {
  access: 'read',
  params: { consumer, index: integer(0) },
  async run(params, { deps }) {
    await deps.inbox.ack(params.consumer, params.index)
    return {}
  }
})
