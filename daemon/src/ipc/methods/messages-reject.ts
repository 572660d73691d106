import { defineMethod, type Method } from '../call.ts'
import { consumer, integer, reason } from '../params.ts'

export const messagesReject: Method = defineMethod('messages.reject', {
  access: 'read',
  params: { consumer, index: integer(1), reason },
  async run(params, { deps }) {
    await deps.inbox.reject(params.consumer, params.index, params.reason)
    return {}
  }
})
