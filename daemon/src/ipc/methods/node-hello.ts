import { type AcceptedSend, API_MAJOR, API_MINOR, type Limits } from '@parley/client-sdk/contract'
import { z } from 'zod'
import { DaemonError } from '../../errors.ts'
import { CHANNEL_BYTES_MAX } from '../../peer/incoming.ts'
import { type Call, defineMethod, type Method } from '../call.ts'
import { clientId, integer, names, shortText } from '../params.ts'

/** What a client may ask for beyond the methods of this API version. */
const FEATURES: readonly string[] = ['durable', 'requests', 'transfers']

export const nodeHello: Method = defineMethod('node.hello', {
  access: 'read',
  params: {
    client: z.strictObject({ name: shortText, version: shortText }),
    apiMajor: integer(0),
    apiMinor: integer(0),
    requires: names.exactOptional(),
    clientId: clientId.exactOptional()
  },
  async run(params, call) {
    if (params.apiMajor !== API_MAJOR) {
      const data = { apiMajor: API_MAJOR, apiMinor: API_MINOR }
      throw new DaemonError('VERSION_MISMATCH', `this daemon speaks API version ${API_MAJOR}`, { data })
    }
    const missing = (params.requires ?? []).filter(feature => !FEATURES.includes(feature))
    if (missing.length > 0) {
      throw new DaemonError('VERSION_MISMATCH', 'this daemon lacks a feature that is required', { data: { missing } })
    }
    const { deps } = call
    const client = params.clientId ?? Buffer.from(deps.randomBytes(16)).toString('hex')
    // First the claim: what another connection of this client still sends can no more be accepted behind the answer.
    claim(client, call)
    const accepted = params.clientId === undefined ? [] : await acceptedOf(client, call)
    if (call.session !== undefined) call.session.clientName = params.client.name
    return {
      clientId: client,
      id: deps.identity.show().id,
      version: deps.version,
      apiMajor: API_MAJOR,
      apiMinor: API_MINOR,
      features: FEATURES,
      limits: limitsOf(call),
      bootId: deps.bootId,
      inbox: deps.inbox.id,
      accepted
    }
  }
})

/** Null while the store cannot be read, which must not keep programs from connecting. */
async function acceptedOf(client: string, { deps }: Call): Promise<readonly AcceptedSend[] | null> {
  try {
    return await deps.outbox.acceptedOf(client)
  } catch (error) {
    if (error instanceof DaemonError && error.code === 'STORE_UNAVAILABLE') return null
    throw error
  }
}

function claim(client: string, { session, deps: { claims } }: Call): void {
  if (session === undefined) return
  if (session.sends !== undefined) claims.release(session.sends)
  session.sends = claims.claim(client)
}

function limitsOf(call: Call): Limits {
  const { messageBytesMax, requestBytesMax, callCountMax, callBytesMax } = call.deps.limits
  return { messageBytesMax, requestBytesMax, callCountMax, callBytesMax, channelBytesMax: CHANNEL_BYTES_MAX }
}
