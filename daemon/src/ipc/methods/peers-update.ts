import { defineMethod, type Method } from '../call.ts'
import { names, peer } from '../params.ts'

export const peersUpdate: Method = defineMethod('peers.update', {
  access: 'admin',
  params: { peer, addresses: names.nullable() },
  run: (params, { deps }) => deps.peers.update(params.peer, params.addresses)
})
