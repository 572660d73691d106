import { defineMethod, type Method } from '../call.ts'

export const consumersList: Method = defineMethod('consumers.list', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => ({ consumers: deps.inbox.consumers() })
})
