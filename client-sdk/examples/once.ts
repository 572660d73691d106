// Adds up the numbers that peers send on channel "sums", each of them once, whatever crashes when.
//
//   node examples/once.ts sum.json [COUNT]      ends after COUNT messages
//
// The daemon gives a message until it is acknowledged. A program that dies after its effect and before its ack gets the message again, marked
// `redelivered`. So the effect and the index of the message are written in one step, and what has an index that was written is left out.
//
// Which daemon: set PARLEY_HOME to its home, or PARLEY_SOCKET to its socket; otherwise the one of this user.

import { open, readFile, rename } from 'node:fs/promises'
import { connect } from '@parley/client-sdk'

interface Sum {
  /** Indexes count within one inbox; a new one, after a loss of the daemon's store, starts again at 1. */
  inbox: string
  index: number
  total: number
}

const [file, count] = process.argv.slice(2)
if (file === undefined) {
  console.error('usage: once.ts FILE [COUNT]')
  process.exit(1)
}
let left = count === undefined ? Number.POSITIVE_INFINITY : Number(count)

await using parley = await connect({ name: 'example-once' })
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const sum = await load(file)
const messages = parley.messages({ channel: 'sums', consumer: 'example-once', from: 'start', signal: stop.signal })
await messages.ready()
console.error('listening')

for await (const message of messages) {
  const { inbox } = parley.hello
  const isDone = sum.inbox === inbox && message.index <= sum.index
  const number = Number(message.text())
  if (!isDone && Number.isFinite(number)) {
    Object.assign(sum, { inbox, index: message.index, total: sum.total + number })
    await save(file, sum)
  }
  // Whoever sent nonsense hears of it; all the others hear `handled`.
  if (Number.isFinite(number)) await message.ack()
  else await message.reject('that is no number')
  console.log(`${message.text()}${isDone ? ' (again)' : ''}: ${sum.total}`)
  if (--left <= 0) break
}

async function load(path: string): Promise<Sum> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Sum
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return { inbox: '', index: 0, total: 0 }
  }
}

/** All or nothing: the new file is on disk before it takes the place of the old one. */
async function save(path: string, state: Sum): Promise<void> {
  const temporary = await open(`${path}.new`, 'w')
  try {
    await temporary.writeFile(JSON.stringify(state))
    await temporary.sync()
  } finally {
    await temporary.close()
  }
  await rename(`${path}.new`, path)
}
