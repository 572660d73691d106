import { defineMethod, type Method, sessionOf } from '../call.ts'
import { vaultRun } from '../params.ts'

export const vaultCancel: Method = defineMethod('vault.cancel', {
  access: 'send',
  params: { run: vaultRun },
  run({ run }, call) {
    call.deps.vaultRuns.cancel({ key: sessionOf(call), signal: call.signal }, run)
    return {}
  }
})
