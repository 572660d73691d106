import { z } from 'zod'
import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { fingerprint, peer } from '../params.ts'

export const peersTrust: Method = defineMethod('peers.trust', {
  access: 'admin',
  params: { peer, trust: z.enum(['known', 'verified']), fingerprint: fingerprint.exactOptional() },
  run({ peer, trust, fingerprint }, call) {
    const { peers } = call.deps
    const subject = peers.resolve(peer)
    return audited(call, { action: 'peer.trust', subject, detail: { trust } }, () =>
      peers.trust(subject, trust, fingerprint)
    )
  }
})
