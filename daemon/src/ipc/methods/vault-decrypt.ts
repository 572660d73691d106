import { defineMethod, type Method } from '../call.ts'
import { body, peer } from '../params.ts'

export const vaultDecrypt: Method = defineMethod('vault.decrypt', {
  access: 'send',
  params: { peer, content: body },
  bytes: ['content'],
  run: ({ content, peer }, { caller, deps }) =>
    deps.vault.use({ operation: 'decrypt', caller: caller.owner, peer }, content)
})
