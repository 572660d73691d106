import { audited } from '../audited.ts'
import { defineMethod, type Method } from '../call.ts'

export const identityRotate: Method = defineMethod('identity.rotate', {
  access: 'admin',
  params: {},
  run(_params, call) {
    const { identity } = call.deps
    const subject = identity.show().fingerprint
    return audited(call, { action: 'identity.rotated', subject }, () => identity.rotate())
  }
})
