import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../src/actor/virtual-clock.ts'
import { createLog } from '../src/observe/log.ts'
import { type DaemonHost, StopRequest } from '../src/stop-request.ts'

function setUp() {
  const clock = new VirtualClock()
  const exits: number[] = []
  const lines: string[] = []
  const host = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) })
  const log = createLog({ level: 'info', format: 'text', write: line => lines.push(line) })
  const stop = new StopRequest(host as unknown as DaemonHost, clock, log)
  return { clock, exits, lines, host, stop }
}

describe('a request to stop', () => {
  it('forces the end at a second interrupt, but only when that is no echo of the first', async () => {
    const { clock, exits, host, stop } = setUp()
    host.emit('SIGINT')
    await stop.requested
    await clock.advance(500)
    host.emit('SIGINT')
    expect(exits).toEqual([])
    await clock.advance(1)
    host.emit('SIGINT')
    expect(exits).toEqual([130])
    expect(stop.exitCode).toBe(0)
  })

  it('is not forced by TERM, however often', async () => {
    const { clock, exits, host, stop } = setUp()
    host.emit('SIGTERM')
    await clock.advance(10_000)
    host.emit('SIGTERM')
    await stop.requested
    expect(exits).toEqual([])
  })

  it('ends with 2 for what nobody caught, and says what it was', async () => {
    const { host, lines, stop } = setUp()
    host.emit('uncaughtException', new Error('out of ideas'))
    await stop.failed
    expect(stop.exitCode).toBe(2)
    expect(lines.join('')).toContain('out of ideas')
  })

  it('listens to nothing any more once it is disposed', () => {
    const { host, stop } = setUp()
    stop.dispose()
    expect(host.eventNames()).toEqual([])
  })
})
