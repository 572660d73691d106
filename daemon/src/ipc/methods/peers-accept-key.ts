import { z } from 'zod'
import { DaemonError } from '../../errors.ts'
import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { fingerprint, peer } from '../params.ts'

export const peersAcceptKey: Method = defineMethod('peers.accept-key', {
  access: 'admin',
  params: { peer, fingerprint: fingerprint.exactOptional(), queue: z.enum(['send', 'cancel']).exactOptional() },
  run({ peer, fingerprint, queue }, call) {
    if (fingerprint === undefined && queue === undefined)
      throw new DaemonError('INVALID_PARAMS', 'say which key is accepted, what becomes of the queue, or both')
    const { peers } = call.deps
    const subject = peers.resolve(peer)
    const detail = { ...(fingerprint && { fingerprint }), ...(queue && { queue }) }
    return audited(call, { action: 'peer.accept-key', subject, detail }, () =>
      peers.acceptKey(subject, { fingerprint, queue })
    )
  }
})
