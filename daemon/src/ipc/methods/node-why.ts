import type { PeerInfo, Why } from '@parley/client-sdk/contract'
import { parseMessageId } from '../../delivery/message-id.ts'
import { DaemonError } from '../../errors.ts'
import { type PeerSurroundings, whyMessage, whyPeer, whyStore } from '../../observe/why.ts'
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
    const storeTrouble = storeTroubleOf(deps)
    if (storeTrouble !== undefined) return whyStore(storeTrouble)
    const facts = deps.outbox.describe(params.subject)
    const info = peerOf(facts.contact, deps)
    return whyMessage(facts, info, surroundingsOf(info, deps))
  }
})

/** Undefined once the contact was removed. */
function peerOf(contact: string, { peers }: MethodDeps): PeerInfo | undefined {
  return peers.list().find(info => info.contact === contact)
}

function surroundingsOf(info: PeerInfo | undefined, deps: MethodDeps): PeerSurroundings {
  const { clock, node, peers } = deps
  const trouble = info === undefined ? undefined : node.health().components[`peer ${info.name}`]?.code
  const isAllowedNow = info === undefined || isAllowed(info.contact, peers)
  return { nowMs: clock.wallMs(), isAllowed: isAllowedNow, trouble, storeTrouble: storeTroubleOf(deps) }
}

function storeTroubleOf({ node }: MethodDeps): string | undefined {
  const store = node.health().components['store']
  // Before it was opened it is not lost.
  return store?.state === 'down' && store.code !== 'STARTING' ? store.code : undefined
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
