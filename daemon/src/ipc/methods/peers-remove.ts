import { defineMethod, type Method } from '../call.ts'
import { peer } from '../params.ts'

export const peersRemove: Method = defineMethod('peers.remove', {
  access: 'admin',
  params: { peer },
  async run(params, { deps }) {
    await deps.peers.remove(params.peer)
    return {}
  }
})
