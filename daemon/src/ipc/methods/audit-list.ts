import { defineMethod, type Method } from '../call.ts'
import { integer } from '../params.ts'

const PAGE_COUNT_MAX = 256

export const auditList: Method = defineMethod('audit.list', {
  access: 'read',
  params: { after: integer(0).exactOptional(), max: integer(1).exactOptional() },
  run: ({ after, max }, { deps }) => deps.audit.list(after ?? 0, Math.min(max ?? PAGE_COUNT_MAX, PAGE_COUNT_MAX))
})
