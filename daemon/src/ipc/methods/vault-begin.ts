import { defineMethod, type Method, sessionOf } from '../call.ts'
import { peer, vaultContext, vaultOperation } from '../params.ts'

export const vaultBegin: Method = defineMethod('vault.begin', {
  access: 'send',
  params: { operation: vaultOperation, peer: peer.exactOptional(), context: vaultContext.exactOptional() },
  bytes: ['context'],
  run({ operation, peer, context }, call) {
    const app = { key: sessionOf(call), signal: call.signal }
    return { run: call.deps.vaultRuns.begin(app, { operation, peer, context, caller: call.caller.owner }) }
  }
})
