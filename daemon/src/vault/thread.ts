import { Worker } from 'node:worker_threads'
import { ProtocolError, type ProtocolErrorCode } from '@parley/protocol'
import { secretsOf, type VaultTask } from './perform.ts'

export type ThreadReply = { readonly output: Uint8Array } | { readonly code: ProtocolErrorCode }

/** Does what is too long for the daemon's own thread. */
export interface VaultWorker {
  /** Takes the task over. @throws {ProtocolError} as `perform` */
  perform(task: VaultTask): Promise<Uint8Array>
  /** Fails what is under way. */
  stop(): Promise<void>
}

/** The built file: a worker loads no sources. */
const THREAD_FILE = new URL('../../dist/vault/vault-thread.js', import.meta.url)
/** Of JavaScript objects; contents lie in memory of their own. */
const HEAP_MIB_MAX = 64

/** A thread for each task, one at a time, so that no key stays in one. */
export class VaultThread implements VaultWorker {
  readonly #file: URL
  #thread: Worker | undefined
  #last: Promise<unknown> = Promise.resolve()
  #isStopped = false

  /** @param file - what the thread runs */
  constructor(file: URL = THREAD_FILE) {
    this.#file = file
  }

  perform(task: VaultTask): Promise<Uint8Array> {
    const done = this.#last.then(() => this.#run(task))
    // Each caller gets its own outcome; the next task only waits for the end of this one.
    this.#last = done.catch(() => undefined)
    return done
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#thread?.terminate()
    await this.#last
  }

  async #run(task: VaultTask): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<ThreadReply>()
    try {
      if (this.#isStopped) throw new Error('the vault has stopped')
      const thread = new Worker(this.#file, {
        name: 'vault',
        env: {},
        workerData: task,
        // The memory of the content moves; keys are copied, and wiped on both sides.
        transferList: [task.content.buffer as ArrayBuffer],
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX }
      })
      this.#thread = thread
      thread.on('message', resolve)
      thread.on('error', reject)
      thread.on('exit', () => reject(new Error('the thread of the vault has ended')))
    } catch (error) {
      reject(error)
    } finally {
      for (const secret of secretsOf(task)) secret.fill(0)
    }
    const reply = await promise
    this.#thread = undefined
    if ('output' in reply) return reply.output
    throw new ProtocolError(reply.code, 'the vault refused the input')
  }
}
