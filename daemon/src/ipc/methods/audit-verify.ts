import { defineMethod, type Method } from '../call.ts'

export const auditVerify: Method = defineMethod('audit.verify', {
  access: 'read',
  params: {},
  run: (_params, { deps }) => deps.audit.verify()
})
