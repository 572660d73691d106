import { defineMethod, type Method } from '../call.ts'

export const identityCard: Method = defineMethod('identity.card', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => ({ card: deps.identity.card() })
})
