import { defineMethod, type Method, transferApp } from '../call.ts'
import { fileName, integer, peer, transferId } from '../params.ts'

export const transfersOffer: Method = defineMethod('transfers.offer', {
  access: 'send',
  params: { peer, name: fileName, size: integer(0), transfer: transferId.exactOptional() },
  run({ peer, name, size, transfer }, call) {
    return call.deps.transfers.offer(transferApp(call), { peer, name, size, transfer })
  }
})
