import { defineMethod, type Method } from '../call.ts'
import { messageCount, messageId } from '../params.ts'

export const messagesCancel: Method = defineMethod('messages.cancel', {
  access: 'send',
  params: { id: messageId, count: messageCount.exactOptional() },
  async run(params, { deps }) {
    await deps.outbox.cancel(params.id, params.count ?? 1)
    return {}
  }
})
