import { fileURLToPath } from 'node:url'
import { multiaddr } from '@multiformats/multiaddr'
import { StartedProcess } from '../../support/daemon-process.ts'
import { makeTempHome } from '../../support/temp-home.ts'
import { type Case, rateOf, roundTripsOf } from '../lib/bench.ts'
import { createBareNode, dialAnew, ECHO_PROTOCOL, echo, pourInto, SINK_PROTOCOL } from '../lib/libp2p-pair.ts'
import { SIZES } from '../lib/sizes.ts'

/** The cases of a bare libp2p stream between two processes, for suites that compare themselves with it. */
export async function openBareCases(): Promise<{ cases: readonly Case[]; close(): Promise<void> }> {
  const home = makeTempHome()
  const server = new StartedProcess(fileURLToPath(new URL('../lib/bare-server.ts', import.meta.url)), [], {
    home: home.path
  })
  const [address] = await server.printed(/^\/ip4\S+/m)
  const target = multiaddr(address)
  const node = await createBareNode(false)
  const connection = await node.dial(target)
  const sink = await connection.newStream(SINK_PROTOCOL)
  const echoed = await connection.newStream(ECHO_PROTOCOL)
  const pours = SIZES.map(({ bytes, label, pourBytes }) => {
    const message = new Uint8Array(bytes).fill(7)
    return rateOf(
      `bare libp2p, ${label}`,
      () => pourInto(sink, message, pourBytes),
      Math.ceil(pourBytes / bytes),
      bytes
    )
  })
  const ping = new Uint8Array(64).fill(7)
  return {
    cases: [
      ...pours,
      ...roundTripsOf('bare libp2p, 64 B round trip', () => echo(echoed, ping)),
      rateOf('bare libp2p, dials', () => dialAnew(node, target))
    ],
    async close() {
      await node.stop()
      await server.stop()
      home.remove()
    }
  }
}
