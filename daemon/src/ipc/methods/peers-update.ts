import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { names, peer } from '../params.ts'

export const peersUpdate: Method = defineMethod('peers.update', {
  access: 'admin',
  params: { peer, addresses: names.nullable() },
  run({ peer, addresses }, call) {
    const { peers } = call.deps
    const subject = peers.resolve(peer)
    const detail = { addresses: addresses === null ? 'of the card' : String(addresses.length) }
    return audited(call, { action: 'peer.updated', subject, detail }, () => peers.update(subject, addresses))
  }
})
