import { defineMethod, type Method } from '../call.ts'
import { shortText, transferCode, transferId } from '../params.ts'

export const transfersCancel: Method = defineMethod('transfers.cancel', {
  access: 'send',
  params: { transfer: transferId, code: transferCode.exactOptional(), reason: shortText.exactOptional() },
  run({ transfer, code, reason }, { deps }) {
    deps.transfers.cancel(transfer, code ?? 'CANCELLED', reason ?? '')
    return {}
  }
})
