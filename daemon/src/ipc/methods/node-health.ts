import { defineMethod, type Method } from '../call.ts'

export const nodeHealth: Method = defineMethod('node.health', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => deps.node.health()
})
