import { defineMethod, type Method } from '../call.ts'
import { body, vaultContext } from '../params.ts'

export const vaultSeal: Method = defineMethod('vault.seal', {
  access: 'send',
  params: { content: body, context: vaultContext.exactOptional() },
  bytes: ['content', 'context'],
  run: ({ content, context }, { caller, deps }) =>
    deps.vault.use({ operation: 'seal', caller: caller.owner, context }, content)
})
