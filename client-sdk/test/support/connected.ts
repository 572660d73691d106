import { onTestFinished } from 'vitest'
import type { Client } from '../../src/client.ts'
import { type ConnectOptions, connect } from '../../src/connect.ts'
import { ManualClock } from './manual-clock.ts'
import { StandInDaemon } from './stand-in-daemon.ts'

export interface Connected {
  readonly daemon: StandInDaemon
  readonly clock: ManualClock
  readonly parley: Client
  /** Cuts the connection and lets the client notice. */
  away(): Promise<void>
  /** Lets the daemon come back, and the client find it. */
  back(next?: { readonly inbox?: string; readonly bootId?: string }): Promise<void>
}

/** A client in memory, on a clock that moves only when told to. */
export async function connected(options: ConnectOptions = {}): Promise<Connected> {
  const daemon = new StandInDaemon()
  const clock = new ManualClock()
  const parley = await connect({ socket: 'memory', open: daemon.open, clock, random: () => 0.5, ...options })
  onTestFinished(() => parley.close({ drain: false }))
  return {
    daemon,
    clock,
    parley,
    async away() {
      daemon.goAway()
      await clock.settle()
    },
    async back(next) {
      daemon.comeBack(next)
      await clock.advance(2_000)
    }
  }
}

/** The code that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  const error = await failureOf(promise)
  return (error as { code?: unknown }).code
}

export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}
