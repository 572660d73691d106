import { z } from 'zod'
import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { peer } from '../params.ts'

export const peersBlock: Method = defineMethod('peers.block', {
  access: 'admin',
  params: { peer, blocked: z.boolean().exactOptional() },
  run({ peer, blocked = true }, call) {
    const { peers } = call.deps
    const subject = peers.resolve(peer)
    return audited(call, { action: blocked ? 'peer.blocked' : 'peer.unblocked', subject }, () =>
      peers.block(subject, blocked)
    )
  }
})
