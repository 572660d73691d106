import { defineMethod, type Method } from '../call.ts'

export const nodeShutdown: Method = defineMethod('node.shutdown', {
  access: 'admin',
  params: {},
  run(_params, { deps }) {
    deps.node.shutdown()
    return {}
  }
})
