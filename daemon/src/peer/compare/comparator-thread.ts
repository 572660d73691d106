import { randomBytes } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { ProtocolError, SecureComparator } from '@parley/protocol'
import type { ThreadReply, ThreadTask } from './thread.ts'

// The other side of `ThreadComparator`: holds the comparators, and does one step for each task.

const port = parentPort
if (port === null) throw new TypeError('this is a worker')
const comparators = new Map<number, SecureComparator>()

port.on('message', (task: ThreadTask) => {
  const reply = perform(task)
  if (reply !== undefined) port.postMessage(reply)
})

function perform(task: ThreadTask): ThreadReply | undefined {
  const { run } = task
  if (task.type === 'open') {
    const comparator = new SecureComparator({ randomBytes: length => randomBytes(length) })
    comparator.append(task.secret)
    task.secret.fill(0)
    comparators.set(run, comparator)
    return undefined
  }
  const comparator = comparators.get(run)
  if (task.type === 'close') {
    comparator?.wipe()
    comparators.delete(run)
    return undefined
  }
  if (comparator === undefined) throw new TypeError('a step of a comparison that is not open')
  try {
    const message = task.type === 'begin' ? comparator.begin() : comparator.receive(task.message)
    return { run, computed: { reply: message, result: comparator.result, hasFailed: comparator.hasFailed } }
  } catch (error) {
    if (error instanceof ProtocolError) return { run, code: error.code }
    throw error
  }
}
