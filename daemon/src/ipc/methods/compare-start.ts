import { z } from 'zod'
import { DaemonError } from '../../errors.ts'
import { type Call, defineMethod, type Method } from '../call.ts'
import { comparePurpose, integer, peer, secret, shortText } from '../params.ts'

/** How long the other side may take to answer. */
const ANSWER_MS = 5 * 60_000
const ANSWER_MS_MAX = 3_600_000
const QUESTION_LENGTH_MAX = 200

export const compareStart: Method = defineMethod('compare.start', {
  access: 'send',
  params: {
    peer,
    secret,
    question: z
      .string()
      .max(QUESTION_LENGTH_MAX, { error: `must have at most ${QUESTION_LENGTH_MAX} characters` })
      .exactOptional(),
    purpose: comparePurpose.exactOptional(),
    timeoutMs: integer(1, ANSWER_MS_MAX).exactOptional(),
    id: shortText.exactOptional()
  },
  bytes: ['secret'],
  run(params, call) {
    const { question = '', purpose = 'compare', timeoutMs = ANSWER_MS, id } = params
    assertMayVerify(purpose, call)
    const { peers, comparisons } = call.deps
    const { contact } = peers.recipient(params.peer)
    return comparisons.start({ contact, secret: params.secret, question, purpose, timeoutMs, id }, call.signal)
  }
})

/** @throws {DaemonError} `FORBIDDEN` where the caller may not change trust */
export function assertMayVerify(purpose: 'compare' | 'verify', { caller }: Call): void {
  if (purpose === 'verify' && caller.access !== 'admin')
    throw new DaemonError('FORBIDDEN', 'a comparison that verifies a contact needs the access admin')
}
