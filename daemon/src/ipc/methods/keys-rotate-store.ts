import { defineMethod, type Method } from '../call.ts'

export const keysRotateStore: Method = defineMethod('keys.rotate-store', {
  access: 'admin',
  params: {},
  run: (_params, { deps }) => deps.keys.begin()
})
