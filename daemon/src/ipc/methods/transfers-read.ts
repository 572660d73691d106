import { defineMethod, type Method, transferApp } from '../call.ts'
import { integer, transferId } from '../params.ts'

export const transfersRead: Method = defineMethod('transfers.read', {
  access: 'read',
  params: { transfer: transferId, synced: integer(0), waitMs: integer(0).exactOptional() },
  run({ transfer, synced, waitMs }, call) {
    const { transfers, limits } = call.deps
    return transfers.read(transferApp(call), transfer, synced, Math.min(waitMs ?? 0, limits.fetchWaitMsMax))
  }
})
