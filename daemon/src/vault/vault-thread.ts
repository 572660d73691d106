import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { ProtocolError } from '@parley/protocol'
import { perform, type VaultTask } from './perform.ts'
import type { ThreadReply } from './thread.ts'

// The other side of `VaultThread`: does one task, and ends.

if (parentPort === null) throw new TypeError('this is a worker')
const reply = replyTo(workerData as VaultTask)
parentPort.postMessage(reply, 'output' in reply ? [reply.output.buffer as ArrayBuffer] : [])

function replyTo(task: VaultTask): ThreadReply {
  try {
    const output = perform(task, length => randomBytes(length))
    // A buffer of its own moves to the other side; a part of one is copied.
    return { output: output.byteLength === output.buffer.byteLength ? output : Uint8Array.from(output) }
  } catch (error) {
    if (error instanceof ProtocolError) return { code: error.code }
    throw error
  }
}
