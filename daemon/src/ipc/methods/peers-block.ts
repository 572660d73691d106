import { z } from 'zod'
import { defineMethod, type Method } from '../call.ts'
import { peer } from '../params.ts'

export const peersBlock: Method = defineMethod('peers.block', {
  access: 'admin',
  params: { peer, blocked: z.boolean().exactOptional() },
  run: (params, { deps }) => deps.peers.block(params.peer, params.blocked ?? true)
})
