import { defineMethod, type Method } from '../call.ts'

export const nodeShutdown: Method = defineMethod('node.shutdown', {
  access: 'admin',
  params: {},
  async run(_params, { caller, deps }) {
    // A daemon whose disk is full must be stopped all the same.
    await deps.audit
      .record({ action: 'node.shutdown', by: caller.owner, detail: { app: caller.name } })
      .catch(() => undefined)
    deps.node.shutdown()
    return {}
  }
})
