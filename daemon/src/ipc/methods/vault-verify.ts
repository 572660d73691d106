import { defineMethod, type Method } from '../call.ts'
import { body, peer } from '../params.ts'

export const vaultVerify: Method = defineMethod('vault.verify', {
  access: 'send',
  params: { peer, content: body },
  bytes: ['content'],
  run: ({ content, peer }, { caller, deps }) =>
    deps.vault.use({ operation: 'verify', caller: caller.owner, peer }, content)
})
