import { z } from 'zod'
import { contactFilter, defineMethod, type Method, sessionOf } from '../call.ts'
import { consumer, credit, filter, from } from '../params.ts'

export const messagesSubscribe: Method = defineMethod('messages.subscribe', {
  access: 'read',
  params: {
    consumer: consumer.nullable(),
    filter: filter.exactOptional(),
    from: from.exactOptional(),
    takeover: z.boolean().exactOptional(),
    credit
  },
  async run(params, call) {
    const session = sessionOf(call)
    const { deps, caller } = call
    const request = {
      consumer: params.consumer,
      filter: contactFilter(params.filter, deps.peers),
      from: params.from,
      takeover: params.takeover ?? false,
      by: caller.name,
      owner: caller.owner,
      creditMessages: params.credit.messages,
      creditBytes: params.credit.bytes
    }
    const { id, next } = await session.addMessages((take, ended) => deps.inbox.subscribe({ ...request, take, ended }))
    return { subscription: id, next }
  }
})
