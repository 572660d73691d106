// Sends one message to a contact, who gets it now or as soon as it is there.
//
//   node examples/send.ts bob "hello"            to bob's default channel
//   node examples/send.ts bob "hello" chat       to channel "chat"
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { connect, ParleyError } from '@parley/client-sdk'

const [peer, text, channel] = process.argv.slice(2)
if (peer === undefined || text === undefined) {
  console.error('usage: send.ts PEER TEXT [CHANNEL]')
  process.exit(1)
}

try {
  // `await using` closes the connection at the end of the block; what is being sent is finished first.
  await using parley = await connect({ name: 'example-send' })

  // The promise resolves when the message is on the disk of this host. The daemon does the rest, also after a restart.
  const receipt = await parley.send(peer, text, { timeoutMs: 5_000, ...(channel && { channel }) })
  console.log(receipt.id)

  // Whoever wants to know more asks the receipt, now or later: `stored` is on the peer's disk, `handled` was acknowledged by an app there.
  try {
    console.error(await receipt.stored({ signal: AbortSignal.timeout(2_000) }))
  } catch (error) {
    if (!(error instanceof DOMException)) throw error
    console.error(`waits for ${peer} until ${receipt.expiresAt?.toISOString()}`)
  }
} catch (error) {
  // Every error of the SDK has a code to decide by, words for people, and what to do next.
  if (!(error instanceof ParleyError)) throw error
  console.error(`${error.code}: ${error.message} ${error.action}`)
  process.exitCode = 1
}
