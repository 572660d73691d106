import { z } from 'zod'
import { REFUSAL_CODE } from '../../delivery/requests/wire.ts'
import { DaemonError } from '../../errors.ts'
import { defineMethod, type Method, sessionOf } from '../call.ts'
import { body, shortText } from '../params.ts'

const error = z.strictObject({
  code: z.string().regex(REFUSAL_CODE, { error: 'must be 1 to 64 upper-case letters, digits and _' }).exactOptional(),
  text: z.string()
})

export const requestsRespond: Method = defineMethod('requests.respond', {
  access: 'read',
  params: {
    subscription: shortText,
    request: shortText,
    body: body.exactOptional(),
    error: error.exactOptional()
  },
  bytes: ['body'],
  run(params, call) {
    const serving = sessionOf(call).serving(params.subscription)
    if (params.body !== undefined && params.error === undefined) serving.respond(params.request, { body: params.body })
    else if (params.error !== undefined && params.body === undefined)
      serving.respond(params.request, { error: params.error })
    else throw new DaemonError('INVALID_PARAMS', 'body or error: exactly one of the two must be there')
    return {}
  }
})
