import { defineMethod, type Method, sessionOf } from '../call.ts'
import { vaultRun } from '../params.ts'

export const vaultRead: Method = defineMethod('vault.read', {
  access: 'send',
  params: { run: vaultRun },
  run: ({ run }, call) => call.deps.vaultRuns.read({ key: sessionOf(call), signal: call.signal }, run)
})
