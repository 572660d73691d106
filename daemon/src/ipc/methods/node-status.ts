import { defineMethod, type Method } from '../call.ts'

export const nodeStatus: Method = defineMethod('node.status', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => deps.node.status()
})
