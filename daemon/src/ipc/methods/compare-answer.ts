import { defineMethod, type Method } from '../call.ts'
import { compareId, comparePurpose, secret, shortText } from '../params.ts'
import { assertMayVerify } from './compare-start.ts'

export const compareAnswer: Method = defineMethod('compare.answer', {
  access: 'send',
  params: { compare: compareId, secret, purpose: comparePurpose.exactOptional(), id: shortText.exactOptional() },
  bytes: ['secret'],
  run(params, call) {
    const { compare, purpose = 'compare', id } = params
    assertMayVerify(purpose, call)
    return call.deps.comparisons.answer({ compare, secret: params.secret, purpose, id }, call.signal)
  }
})
