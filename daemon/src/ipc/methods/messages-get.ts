import { defineMethod, type Method } from '../call.ts'
import { messageCount, messageId } from '../params.ts'

export const messagesGet: Method = defineMethod('messages.get', {
  access: 'read',
  params: { id: messageId, count: messageCount.exactOptional() },
  run: (params, { deps }) => deps.outbox.get(params.id, params.count ?? 1)
})
