import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { peer } from '../params.ts'

export const peersRemove: Method = defineMethod('peers.remove', {
  access: 'admin',
  params: { peer },
  async run({ peer }, call) {
    const { peers } = call.deps
    const { contact: subject, id, name, fingerprint } = peers.get(peer)
    await audited(call, { action: 'peer.removed', subject, detail: { id, name, fingerprint } }, () =>
      peers.remove(subject)
    )
    return {}
  }
})
