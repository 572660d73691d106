import { defineMethod, type Method } from '../call.ts'

export const identityShow: Method = defineMethod('identity.show', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => deps.identity.show()
})
