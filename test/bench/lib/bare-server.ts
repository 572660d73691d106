// The other side of a bare libp2p connection, in a process of its own. Prints its address, and ends with its parent.
import { createBareNode, serveBare } from './libp2p-pair.ts'

const node = await createBareNode(true)
await serveBare(node)
process.stdout.write(`${node.getMultiaddrs()[0]?.toString() ?? ''}\n`)
process.stdin.resume().on('end', () => process.exit(0))
