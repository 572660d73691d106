import { DaemonError } from '../../errors.ts'
import { parseCode, parseLink, parseTarget } from '../../peer/pairing/code.ts'
import { defineMethod, type Method } from '../call.ts'
import { pairingLink, peer, shortText } from '../params.ts'
import { wishesOf } from './pairing-invite.ts'

export const pairingAccept: Method = defineMethod('pairing.accept', {
  access: 'admin',
  params: {
    link: pairingLink.exactOptional(),
    code: shortText.exactOptional(),
    at: pairingLink.exactOptional(),
    name: shortText.exactOptional(),
    renew: peer.exactOptional()
  },
  run({ link, code, at, ...wishes }, { deps }) {
    const wanted = wishesOf(wishes, deps.peers)
    if (link !== undefined && code === undefined && at === undefined) {
      const { target, ...secret } = parseLink(link)
      return deps.pairing.accept(secret, target, wanted)
    }
    if (link === undefined && code !== undefined && at !== undefined) {
      return deps.pairing.accept(parseCode(code), parseTarget(at), wanted)
    }
    throw new DaemonError('INVALID_PARAMS', 'give a link, or a code and where its daemon listens (at)')
  }
})
