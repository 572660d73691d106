import { defineMethod, type Method } from '../call.ts'
import { peer, shortText } from '../params.ts'

export const peersRename: Method = defineMethod('peers.rename', {
  access: 'admin',
  params: { peer, name: shortText },
  run: (params, { deps }) => deps.peers.rename(params.peer, params.name)
})
