import { makeConfig } from '@parley/config'
import type { Clock } from '../../../src/actor/clock.ts'
import { Requests } from '../../../src/delivery/requests/requests.ts'
import { seededRandomBytes } from '../../../src/random.ts'

/** Requests with one contact, in session, that is this very host. Any other is offline. */
export function loopedRequests(clock: Clock, contact: string, name: string): Requests {
  const requests: Requests = new Requests({
    clock,
    randomBytes: seededRandomBytes('loop'),
    limits: makeConfig().limits,
    peer: () => ({ id: `${name}@host`, name }),
    dial: other => requests.unreachable(other, 'PEER_OFFLINE', `${other} is not there`)
  })
  const carry = () => {
    for (let taken = attachment.take(65_536, true); taken !== undefined; taken = attachment.take(65_536, true))
      requests.received(contact, taken.envelope)
  }
  const attachment = requests.attach(contact, {
    messageBytesMax: 1_048_576,
    wake: () => process.nextTick(carry),
    credit: credit => process.nextTick(() => attachment.credit(credit))
  })
  return requests
}
