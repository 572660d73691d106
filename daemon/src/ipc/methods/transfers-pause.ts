import { defineMethod, type Method, transferApp } from '../call.ts'
import { transferId } from '../params.ts'

export const transfersPause: Method = defineMethod('transfers.pause', {
  access: 'read',
  params: { transfer: transferId },
  run({ transfer }, call) {
    call.deps.transfers.pause(transferApp(call), transfer)
    return {}
  }
})
