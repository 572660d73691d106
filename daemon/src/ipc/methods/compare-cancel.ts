import { defineMethod, type Method } from '../call.ts'
import { peer, shortText } from '../params.ts'

export const compareCancel: Method = defineMethod('compare.cancel', {
  access: 'send',
  params: { peer, id: shortText.exactOptional() },
  run({ peer, id }, { deps }) {
    deps.comparisons.cancel(deps.peers.resolve(peer), id)
    return {}
  }
})
