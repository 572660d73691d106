import { defineMethod, type Method } from '../call.ts'
import { body, peer } from '../params.ts'

export const vaultEncrypt: Method = defineMethod('vault.encrypt', {
  access: 'send',
  params: { peer, content: body },
  bytes: ['content'],
  run: ({ content, peer }, { caller, deps }) =>
    deps.vault.use({ operation: 'encrypt', caller: caller.owner, peer }, content)
})
