import { defineMethod, type Method } from '../call.ts'

export const keysShow: Method = defineMethod('keys.show', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => deps.keys.info()
})
