// Prints what happens in the daemon: contacts that come and go, sessions, health.
//
//   node examples/events.ts          from now on, until Ctrl-C
//   node examples/events.ts start    all that the daemon still knows first
//   node examples/events.ts start 5  five events, then ends
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { connect } from '@parley/client-sdk'

const [after = 'now', count] = process.argv.slice(2)
let left = count === undefined ? Number.POSITIVE_INFINITY : Number(count)

await using parley = await connect({ name: 'example-events' })

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const events = parley.events({ after, signal: stop.signal })
await events.ready()
console.error('listening')

for await (const event of events) {
  // Events are told once and not kept for long. After a gap, what was built from events must be read anew.
  if (event.kind === 'gap') {
    const { peers } = await parley.status()
    console.log(JSON.stringify({ kind: 'gap', peers: peers.map(({ name, session }) => [name, session.state]) }))
  } else {
    console.log(JSON.stringify(event))
  }
  if (--left <= 0) break
}
