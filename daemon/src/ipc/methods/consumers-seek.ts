import { defineMethod, type Method } from '../call.ts'
import { consumer, from } from '../params.ts'

export const consumersSeek: Method = defineMethod('consumers.seek', {
  access: 'read',
  params: { consumer, to: from },
  run: (params, { deps }) => deps.inbox.seek(params.consumer, params.to)
})
