import { defineMethod, type Method } from '../call.ts'
import { consumer } from '../params.ts'

export const consumersGet: Method = defineMethod('consumers.get', {
  access: 'read',
  params: { consumer },
  run: (params, { deps }) => deps.inbox.consumer(params.consumer)
})
