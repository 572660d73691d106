import { defineMethod, type Method, sessionOf } from '../call.ts'
import { body, vaultRun } from '../params.ts'

export const vaultWrite: Method = defineMethod('vault.write', {
  access: 'send',
  params: { run: vaultRun, part: body },
  bytes: ['part'],
  run({ run, part }, call) {
    call.deps.vaultRuns.write({ key: sessionOf(call), signal: call.signal }, run, part)
    return {}
  }
})
