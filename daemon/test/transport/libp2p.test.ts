import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { createLibp2pTransport } from '../../src/transport/libp2p.ts'
import { transportContract } from './contract.ts'
import type { TransportKit } from './kit.ts'

function libp2pKit(): TransportKit {
  const clock = new VirtualClock()
  let count = 0
  return {
    clock,
    create: options => {
      count += 1
      return createLibp2pTransport({ privateKeySeed: new Uint8Array(32).fill(count), clock, ...options })
    },
    until: promise => promise
  }
}

transportContract('libp2p', libp2pKit)
