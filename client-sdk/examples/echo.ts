// Answers every message of channel "echo" with the same bytes, on the same channel.
//
//   node examples/echo.ts
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { connect, ParleyError } from '@parley/client-sdk'

await using parley = await connect({ name: 'example-echo' })

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const messages = parley.messages({ channel: 'echo', consumer: 'example-echo', signal: stop.signal })
await messages.ready()
console.error('listening')

for await (const message of messages) {
  try {
    // Names may change; `contact` never does. A peer that is gone gets it when it is back.
    await parley.send(message.contact, message.body, { channel: 'echo', whenFull: 'fail' })
  } catch (error) {
    // One peer that never comes back, and fills its queue, must not stop the service for the others.
    if (!(error instanceof ParleyError)) throw error
    console.error(`${message.fromName}: ${error.code}`)
  }
  await message.ack()
}
