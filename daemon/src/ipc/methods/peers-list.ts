import { defineMethod, type Method } from '../call.ts'

export const peersList: Method = defineMethod('peers.list', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => ({ peers: deps.peers.list() })
})
