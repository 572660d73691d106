import type { EventBody } from '@parley/client-sdk/contract'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/actor/virtual-clock.ts'
import { HealthBoard } from '../../src/observe/health.ts'
import { Troubles } from '../../src/observe/troubles.ts'

function makeTroubles() {
  const clock = new VirtualClock()
  const events: EventBody[] = []
  const health = new HealthBoard(clock, body => events.push(body), ['store'])
  health.report('store', { state: 'ok' })
  return { clock, events, health, troubles: new Troubles(health, clock) }
}

describe('health', () => {
  it('is degraded once a record was set aside, and counts them', () => {
    const { health, troubles } = makeTroubles()
    troubles.note({ kind: 'store.damaged', sublevel: 'inbox' })
    troubles.note({ kind: 'store.damaged', sublevel: 'outbox' })
    const { ready, components } = health.health()
    expect(ready).toBe(true)
    expect(components['records']).toMatchObject({ state: 'degraded', code: 'RECORD_DAMAGED' })
    expect(components['records']?.detail).toMatch(/^2 records .*outbox/)
  })

  it('is degraded for an hour after the last sign of a cloned identity', async () => {
    const { clock, health, troubles } = makeTroubles()
    troubles.note({ kind: 'identity.cloned', contact: 'c', name: 'bob' })
    await clock.advance(50 * 60_000)
    troubles.note({ kind: 'identity.cloned', contact: 'c', name: 'bob' })
    await clock.advance(60 * 60_000)
    expect(health.health().components['identity']).toMatchObject({ state: 'degraded', code: 'IDENTITY_CLONED' })
    await clock.advance(60_000)
    expect(health.health().components['identity']).toBeUndefined()
  })

  it('takes no notice of other events, and leaves no timer behind', () => {
    const { clock, events, troubles } = makeTroubles()
    const before = events.length
    troubles.note({ kind: 'node.stopping' })
    expect(events.length).toBe(before)
    troubles.note({ kind: 'identity.cloned', contact: 'c', name: 'bob' })
    troubles.stop()
    expect(clock.timerCount).toBe(0)
  })
})
