import { defineMethod, type Method } from '../call.ts'
import { peer } from '../params.ts'

export const peersGet: Method = defineMethod('peers.get', {
  access: 'read',
  params: { peer },
  run: (params, { deps }) => deps.peers.get(params.peer)
})
