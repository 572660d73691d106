import { defineMethod, type Method } from '../call.ts'
import { body } from '../params.ts'

export const vaultSign: Method = defineMethod('vault.sign', {
  access: 'send',
  params: { content: body },
  bytes: ['content'],
  run: ({ content }, { caller, deps }) => deps.vault.use({ operation: 'sign', caller: caller.owner }, content)
})
