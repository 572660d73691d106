import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'
import { peer, shortText } from '../params.ts'

export const peersRename: Method = defineMethod('peers.rename', {
  access: 'admin',
  params: { peer, name: shortText },
  run({ peer, name }, call) {
    const { peers } = call.deps
    const { contact: subject, name: before } = peers.get(peer)
    return audited(call, { action: 'peer.renamed', subject, detail: { before, name } }, () =>
      peers.rename(subject, name)
    )
  }
})
