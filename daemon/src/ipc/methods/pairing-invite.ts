import type { PairingWishes } from '../../peer/pairing/port.ts'
import { defineMethod, type Method } from '../call.ts'
import type { PeersApi } from '../node-api.ts'
import { peer, shortText } from '../params.ts'

export const pairingInvite: Method = defineMethod('pairing.invite', {
  access: 'admin',
  params: { name: shortText.exactOptional(), renew: peer.exactOptional() },
  run: (params, { deps }) => deps.pairing.invite(wishesOf(params, deps.peers))
})

/** What the owner said about the contact to be. @throws {DaemonError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` */
export function wishesOf(
  { name, renew }: { readonly name?: string; readonly renew?: string },
  peers: Pick<PeersApi, 'resolve'>
): PairingWishes {
  return { ...(name !== undefined && { name }), ...(renew !== undefined && { renew: peers.resolve(renew) }) }
}
