import { defineMethod, type Method, sessionOf } from '../call.ts'
import { creditBytes, creditMessages, shortText } from '../params.ts'

export const messagesCredit: Method = defineMethod('messages.credit', {
  access: 'read',
  params: { subscription: shortText, messages: creditMessages, bytes: creditBytes },
  run(params, call) {
    sessionOf(call).messages(params.subscription).addCredit(params.messages, params.bytes)
    return {}
  }
})
