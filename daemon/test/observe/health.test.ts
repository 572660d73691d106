import type { EventBody } from '@parley/client-sdk/contract'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { HealthBoard } from '../../src/observe/health.ts'

function makeBoard(required: readonly string[] = ['store', 'network']) {
  const clock = new VirtualClock()
  const events: EventBody[] = []
  return { clock, events, board: new HealthBoard(clock, body => events.push(body), required) }
}

describe('health', () => {
  it('is ready once every required component has reported that it is not down', () => {
    const { board } = makeBoard()
    expect(board.isReady).toBe(false)
    board.report('store', { state: 'ok' })
    expect(board.health().ready).toBe(false)
    board.report('network', { state: 'degraded', code: 'LISTEN_FAILED' })
    expect(board.health().ready).toBe(true)
    board.report('store', { state: 'down', code: 'STORE_UNAVAILABLE', action: 'Look at the disk.' })
    expect(board.isReady).toBe(false)
  })

  it('stays ready whatever a component does that is not required', () => {
    const { board } = makeBoard([])
    board.report('peer:bob', { state: 'down', code: 'VERSION_MISMATCH' })
    expect(board.isReady).toBe(true)
  })

  it('tells since when a state holds, and says so once', async () => {
    const { board, clock, events } = makeBoard(['store'])
    const startMs = clock.wallMs()
    await clock.advance(1_000)
    board.report('store', { state: 'ok' })
    await clock.advance(1_000)
    board.report('store', { state: 'ok', detail: 'more to read' })
    expect(board.health().components['store']).toEqual({ state: 'ok', detail: 'more to read', since: startMs + 1_000 })
    expect(events).toEqual([
      { kind: 'health.changed', component: 'store', health: { state: 'ok', since: startMs + 1_000 } }
    ])
  })

  it('forgets a trouble that is over, but no required component', () => {
    const { board, events } = makeBoard(['store'])
    board.report('peer:bob', { state: 'degraded', code: 'IDENTITY_CLONED' })
    board.clear('peer:bob')
    board.clear('peer:carol')
    board.clear('store')
    expect(Object.keys(board.health().components)).toEqual(['store'])
    expect(events.map(event => event.kind === 'health.changed' && event.health.state)).toEqual(['degraded', 'ok'])
  })
})
