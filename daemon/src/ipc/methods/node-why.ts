import type { PeerInfo, Why } from '@parley/client-sdk/contract'
import { parseMessageId } from '../../delivery/message-id.ts'
import { DaemonError } from '../../errors.ts'
import { type PeerSurroundings, whyMessage, whyPeer } from '../../observe/why.ts'
import { defineMethod, type Method, type MethodDeps } from '../call.ts'
import { peer } from '../params.ts'

export const nodeWhy: Method = defineMethod('node.why', {
  access: 'read',
  params: { subject: peer },
  run(params, { deps }): Why {
    if (parseMessageId(params.subject) === undefined) {
      const info = deps.peers.get(params.subject)
      return whyPeer(info, surroundingsOf(info, deps))
    }
    const facts = deps.outbox.describe(params.subject)
    const info = peerOf(facts.contact, deps)
    return whyMessage(facts, info, surroundingsOf(info, deps))
  }
})

/** Undefined once the contact was removed. */
function peerOf(contact: string, { peers }: MethodDeps): PeerInfo | undefined {
  return peers.list().find(info => info.contact === contact)
}

function surroundingsOf(info: PeerInfo | undefined, { clock, node, peers }: MethodDeps): PeerSurroundings {
  const trouble = info === undefined ? undefined : node.health().components[`peer ${info.name}`]?.code
  return { nowMs: clock.wallMs(), isAllowed: info === undefined || isAllowed(info.contact, peers), trouble }
}

function isAllowed(contact: string, peers: MethodDeps['peers']): boolean {
  try {
    peers.recipient(contact)
    return true
  } catch (error) {
    if (error instanceof DaemonError && (error.code === 'UNTRUSTED' || error.code === 'BLOCKED')) return false
    throw error
  }
}
