import { Worker } from 'node:worker_threads'
import { ProtocolError, type ProtocolErrorCode } from '@parley/protocol'
import type { Clock, Timer } from '../../actor/clock.ts'
import type { ComparatorRun, ComparatorWorker, Computed } from './comparator.ts'

export type ThreadTask =
  | { readonly type: 'open'; readonly run: number; readonly secret: Uint8Array }
  | { readonly type: 'begin'; readonly run: number }
  | { readonly type: 'receive'; readonly run: number; readonly message: Uint8Array }
  | { readonly type: 'close'; readonly run: number }

export type ThreadReply =
  | { readonly run: number; readonly computed: Computed }
  | { readonly run: number; readonly code: ProtocolErrorCode }

/** The built file: a worker loads no sources. */
const THREAD_FILE = new URL('../../../dist/peer/compare/comparator-thread.js', import.meta.url)
const HEAP_MIB_MAX = 64
/** An idle thread takes memory for nothing. */
const IDLE_MS = 10_000

type Settle = PromiseWithResolvers<Computed>

/**
 * Computes in a thread of its own, which is started for the first comparison and ended some seconds after the last. When the thread fails, every
 * step under way fails, and the next comparison has a new one.
 */
export class ThreadComparator implements ComparatorWorker {
  readonly #clock: Clock
  readonly #file: URL
  #thread: Worker | undefined
  /** The step under way of each run. */
  readonly #steps = new Map<number, Settle>()
  readonly #open = new Set<number>()
  #lastRun = 0
  #idle: Timer | undefined

  /** @param file - what the thread runs */
  constructor(clock: Clock, file: URL = THREAD_FILE) {
    this.#clock = clock
    this.#file = file
  }

  /** Whether a thread runs now. */
  get isRunning(): boolean {
    return this.#thread !== undefined
  }

  open(secret: Uint8Array<ArrayBuffer>): ComparatorRun {
    this.#idle?.cancel()
    const thread = this.#thread ?? this.#start()
    const run = ++this.#lastRun
    this.#open.add(run)
    const post = (task: ThreadTask, moved: readonly ArrayBuffer[] = []) => thread.postMessage(task, moved)
    // The memory itself moves: nothing of it is left on this side.
    post({ type: 'open', run, secret }, [secret.buffer])
    const step = (task: ThreadTask): Promise<Computed> => {
      const settle = Promise.withResolvers<Computed>()
      if (this.#thread === thread) {
        this.#steps.set(run, settle)
        post(task)
      } else settle.reject(new Error('the thread of the comparison has ended'))
      return settle.promise
    }
    return {
      begin: () => step({ type: 'begin', run }),
      receive: message => step({ type: 'receive', run, message: Uint8Array.from(message) }),
      close: () => {
        if (!this.#open.delete(run)) return
        this.#steps.delete(run)
        if (this.#thread === thread) post({ type: 'close', run })
        this.#restSoon()
      }
    }
  }

  async stop(): Promise<void> {
    this.#idle?.cancel()
    const thread = this.#thread
    this.#thread = undefined
    await thread?.terminate()
  }

  #start(): Worker {
    const thread = new Worker(this.#file, {
      name: 'comparator',
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX }
    })
    this.#thread = thread
    // A daemon that ends does not wait for it.
    thread.unref()
    thread.on('message', (reply: ThreadReply) => this.#replied(reply))
    thread.on('error', error => this.#lost(thread, error))
    thread.on('exit', () => this.#lost(thread, new Error('the thread ended')))
    return thread
  }

  #replied(reply: ThreadReply): void {
    const settle = this.#steps.get(reply.run)
    this.#steps.delete(reply.run)
    if ('computed' in reply) settle?.resolve(reply.computed)
    else settle?.reject(new ProtocolError(reply.code, 'the comparator refused the message'))
  }

  #lost(thread: Worker, cause: Error): void {
    if (this.#thread !== thread) return
    this.#thread = undefined
    const lost = [...this.#steps.values()]
    this.#steps.clear()
    for (const { reject } of lost) reject(new Error('the thread of the comparison has ended', { cause }))
  }

  #restSoon(): void {
    if (this.#open.size > 0) return
    this.#idle?.cancel()
    this.#idle = this.#clock.timer(IDLE_MS, () => {
      // One that does not end by itself is ended with the process.
      void this.stop()
    })
  }
}
