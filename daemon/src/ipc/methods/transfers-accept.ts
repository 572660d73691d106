import { z } from 'zod'
import { defineMethod, type Method, transferApp } from '../call.ts'
import { integer, transferId } from '../params.ts'

export const transfersAccept: Method = defineMethod('transfers.accept', {
  access: 'read',
  params: { transfer: transferId, position: integer(0), takeover: z.boolean().exactOptional() },
  run({ transfer, position, takeover }, call) {
    return call.deps.transfers.accept(transferApp(call), transfer, position, takeover ?? false)
  }
})
