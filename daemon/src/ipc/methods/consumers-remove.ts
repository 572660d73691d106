import { defineMethod, type Method } from '../call.ts'
import { consumer } from '../params.ts'

export const consumersRemove: Method = defineMethod('consumers.remove', {
  access: 'read',
  params: { consumer },
  async run(params, { deps }) {
    await deps.inbox.removeConsumer(params.consumer)
    return {}
  }
})
