import type { EventBody } from '@parley/client-sdk/contract'
import { makeConfig } from '@parley/config'
import type { Clock } from '../../../src/actor/clock.ts'
import type { Log } from '../../../src/observe/log-port.ts'
import { InProcessComparator } from '../../../src/peer/compare/comparator.ts'
import { Comparisons } from '../../../src/peer/compare/comparisons.ts'
import type { CompareEnds } from '../../../src/peer/compare/port.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryStore } from '../../../src/store/memory.ts'
import { testSealer } from '../../store/test-sealer.ts'

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const transcript = new Uint8Array(32).fill(7)

export interface ComparePair {
  readonly near: Comparisons
  readonly far: Comparisons
  /** Contacts that `near` has verified. */
  readonly verified: string[]
}

/** Two sides in session, without what lies between: near knows far as `farContact`, and far knows near as `contact-near`. */
export async function comparePair(
  clock: Clock,
  farContact: string,
  emit: (body: EventBody) => void
): Promise<ComparePair> {
  const verified: string[] = []
  const nearKey = new Uint8Array(45).fill(1)
  const farKey = new Uint8Array(45).fill(2)
  const open = async (seed: string, other: string, otherKey: Uint8Array, tell: (body: EventBody) => void) => {
    const store = new MemoryStore()
    await store.open()
    const randomBytes = seededRandomBytes(seed)
    return await Comparisons.open({
      ...{ store, clock, randomBytes, log: SILENT, emit: tell },
      sealer: testSealer(),
      options: makeConfig().limits,
      comparator: new InProcessComparator({ clock, randomBytes }),
      peer: contact =>
        contact === other ? { name: contact.replace('contact-', ''), publicKeyBytes: otherKey } : undefined,
      verify: async contact => void verified.push(contact),
      audit: { record: async () => {} },
      dial: () => {},
      count: () => {}
    })
  }
  const near = await open('near', farContact, farKey, emit)
  const far = await open('far', 'contact-near', nearKey, () => {})
  const nearEnds = { transcript, ownPublicKey: nearKey, peerPublicKey: farKey, ownId: 'near@host', peerId: 'far@host' }
  const farEnds = { transcript, ownPublicKey: farKey, peerPublicKey: nearKey, ownId: 'far@host', peerId: 'near@host' }
  const join = (
    from: Comparisons,
    contact: string,
    ends: CompareEnds,
    to: Comparisons,
    as: string,
    toEnds: CompareEnds
  ) =>
    from.opened(contact, {
      isSupported: true,
      send: envelope => {
        clock.endOfTurn(() => to.received(as, envelope, toEnds))
        return ends
      }
    })
  join(near, farContact, nearEnds, far, 'contact-near', farEnds)
  join(far, 'contact-near', farEnds, near, farContact, nearEnds)
  return { near, far, verified }
}
