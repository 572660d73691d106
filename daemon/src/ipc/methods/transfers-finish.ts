import { defineMethod, type Method, transferApp } from '../call.ts'
import { integer, sha256, transferId } from '../params.ts'

const WAIT_MS = 5_000

export const transfersFinish: Method = defineMethod('transfers.finish', {
  access: 'send',
  params: { transfer: transferId, sha256, waitMs: integer(0).exactOptional() },
  run({ transfer, sha256, waitMs }, call) {
    const { transfers, limits } = call.deps
    return transfers.finish(transferApp(call), transfer, sha256, Math.min(waitMs ?? WAIT_MS, limits.fetchWaitMsMax))
  }
})
