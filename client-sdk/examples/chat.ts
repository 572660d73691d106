// A conversation with one contact: what you type is sent, what the contact types is printed.
//
//   node examples/chat.ts bob
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { createInterface } from 'node:readline/promises'
import { type Client, connect, type MessageStream, ParleyError } from '@parley/client-sdk'

const CHANNEL = 'chat'

const [peer] = process.argv.slice(2)
if (peer === undefined) {
  console.error('usage: chat.ts PEER')
  process.exit(1)
}

await using parley = await connect({ name: 'example-chat' })

// Both directions end together: with Ctrl-C or with the end of the input.
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const messages = parley.messages({
  channel: CHANNEL,
  peers: [peer],
  consumer: `example-chat:${peer}`,
  signal: stop.signal
})
await messages.ready()
console.error('listening')
await Promise.all([print(messages), type(parley, peer)])

async function print(incoming: MessageStream): Promise<void> {
  for await (const message of incoming) {
    console.log(`${message.fromName}: ${message.text()}`)
    await message.ack()
  }
}

async function type(client: Client, to: string): Promise<void> {
  const lines = createInterface({ input: process.stdin, signal: stop.signal })
  for await (const line of lines) {
    try {
      await client.send(to, line, { channel: CHANNEL, whenFull: 'fail' })
    } catch (error) {
      if (!(error instanceof ParleyError)) throw error
      console.error(`not sent: ${error.code}. ${error.action}`)
    }
  }
  stop.abort()
}
