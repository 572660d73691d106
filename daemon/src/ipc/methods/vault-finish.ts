import { defineMethod, type Method, sessionOf } from '../call.ts'
import { vaultRun } from '../params.ts'

export const vaultFinish: Method = defineMethod('vault.finish', {
  access: 'send',
  params: { run: vaultRun },
  run: ({ run }, call) => call.deps.vaultRuns.finish({ key: sessionOf(call), signal: call.signal }, run)
})
