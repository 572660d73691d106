// The app at the far end: node app-receiver.ts HOME PEER
//
// Counts what comes on channel "pour": told `expect N` on standard input, it prints `got N` once N more have come. What comes
// on channel "echo" goes back to PEER on channel "back".
import { createInterface } from 'node:readline'
import { connect } from '@parley/client-sdk'

const [home = '', peer = ''] = process.argv.slice(2)
/** Acknowledged as one: well inside what may be unacknowledged. */
const ACK_BYTES = 1024 * 1024
const ACK_COUNT = 1_000

await using parley = await connect({ home })
let received = 0
let expected = Number.POSITIVE_INFINITY

function tell(): void {
  if (received < expected) return
  process.stdout.write(`got ${expected}\n`)
  received -= expected
  expected = Number.POSITIVE_INFINITY
}

async function count(): Promise<void> {
  let unackedCount = 0
  let unackedBytes = 0
  for await (const message of parley.messages({ channel: 'pour', consumer: 'bench-pour', from: 'now' })) {
    received++
    unackedCount++
    unackedBytes += message.body.length
    if (unackedCount >= ACK_COUNT || unackedBytes >= ACK_BYTES) {
      void message.ack()
      unackedCount = 0
      unackedBytes = 0
    }
    tell()
  }
}

async function echo(): Promise<void> {
  const stream = parley.messages({ channel: 'echo', consumer: 'bench-echo', from: 'now' })
  await stream.ready()
  process.stdout.write('subscribed\n')
  for await (const message of stream) {
    void parley.send(peer, message.body, { channel: 'back', durable: false })
    void message.ack()
  }
}

async function listen(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    expected = Number(line.split(' ')[1])
    tell()
  }
  process.exit(0)
}

await Promise.all([count(), echo(), listen()])
