import { defineMethod, type Method } from '../call.ts'
import { shortText } from '../params.ts'

export const pairingCancel: Method = defineMethod('pairing.cancel', {
  access: 'admin',
  params: { pairing: shortText },
  run(params, { deps }) {
    deps.pairing.cancel(params.pairing)
    return {}
  }
})
