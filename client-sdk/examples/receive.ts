// Prints the messages of a channel as they come.
//
//   node examples/receive.ts chat        until Ctrl-C
//   node examples/receive.ts chat 3      three messages, then ends
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { connect } from '@parley/client-sdk'

const [channel = 'default', count] = process.argv.slice(2)
let left = count === undefined ? Number.POSITIVE_INFINITY : Number(count)

await using parley = await connect({ name: 'example-receive' })

// Ctrl-C ends the loop below without an error.
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

// The daemon keeps, under the consumer's name, how far this program has read: started again, it goes on there.
const messages = parley.messages({
  channel,
  consumer: `example-receive:${channel}`,
  from: 'start',
  signal: stop.signal
})
await messages.ready()
console.error('listening')

for await (const message of messages) {
  console.log(`${message.fromName}: ${message.text()}`)

  // Only now is the message dealt with. If this program dies before, it gets the message again, marked `redelivered`.
  await message.ack()
  if (--left <= 0) break
}
