import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { MemoryNetwork } from '../../src/transport/memory.ts'
import type { NodeId } from '../../src/transport/port.ts'
import { transportContract } from './contract.ts'
import type { TransportKit } from './kit.ts'

function memoryKit(): TransportKit {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock })
  let count = 0
  return {
    clock,
    create: async options => {
      count += 1
      return network.transport({ nodeId: `node-${count}` as NodeId, ...options })
    },
    async until(promise) {
      let isSettled = false
      const settled = () => {
        isSettled = true
      }
      promise.then(settled, settled)
      for (let waitedMs = 0; !isSettled && waitedMs < 60_000; waitedMs += 1) await clock.advance(1)
      if (!isSettled) throw new Error('nothing more happens on the network')
      return promise
    }
  }
}

transportContract('the memory network', memoryKit)
