import { defineMethod, type Method } from '../call.ts'
import { body, vaultContext } from '../params.ts'

export const vaultOpen: Method = defineMethod('vault.open', {
  access: 'send',
  params: { content: body, context: vaultContext.exactOptional() },
  bytes: ['content', 'context'],
  run: ({ content, context }, { caller, deps }) =>
    deps.vault.use({ operation: 'open', caller: caller.owner, context }, content)
})
