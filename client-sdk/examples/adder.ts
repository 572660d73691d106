// Adds up numbers for peers: answers requests of name "math.sum".
//
//   node examples/adder.ts                      serve
//   node examples/adder.ts <peer> 1 2 3         ask
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { connect, ParleyError, Refusal } from '@parley/client-sdk'

await using parley = await connect({ name: 'example-adder' })
const [peer, ...numbers] = process.argv.slice(2)

if (peer === undefined) {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const sum = (list: readonly number[]) => list.reduce((total, number) => total + number, 0)
  const server = parley.serve(
    'math.sum',
    request => {
      const list = request.text().split(' ').map(Number)
      if (list.some(Number.isNaN)) throw new Refusal('those are not all numbers', 'NOT_A_NUMBER')
      return String(sum(list))
    },
    { signal: stop.signal }
  )
  await server.ready()
  console.error('serving')
  await server.ended
} else {
  try {
    const answer = await parley.request(peer, 'math.sum', numbers.join(' '), { timeoutMs: 2_000 })
    console.log(new TextDecoder().decode(answer))
  } catch (error) {
    if (!(error instanceof ParleyError)) throw error
    // Whether it may have been done: adding twice does no harm, but other things would.
    console.error(`${error.code} (executed: ${error.data['executed']}): ${error.message}`)
    process.exitCode = 1
  }
}
