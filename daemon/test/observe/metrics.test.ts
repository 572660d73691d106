import { describe, expect, it } from 'vitest'
import { Counters } from '../../src/observe/counters.ts'
import { Metrics } from '../../src/observe/metrics.ts'

describe('counters', () => {
  it('count from 0 and list themselves by name', () => {
    const counters = new Counters()
    counters.add('rekeys')
    counters.add('glares', 2)
    counters.add('rekeys')
    expect(counters.get('rekeys')).toBe(2)
    expect(counters.get('never')).toBe(0)
    expect(Object.entries(counters.all())).toEqual([
      ['glares', 2],
      ['rekeys', 2]
    ])
  })
})

describe('metrics', () => {
  it('show counters and gauges under one prefix', async () => {
    const counters = new Counters()
    const metrics = new Metrics(counters, { hasProcessMetrics: false })
    let bytes = 5
    metrics.gauge('inbox_bytes', 'Kept.', () => bytes)
    metrics.counter('inbox_evicted_messages', 'Evicted.', () => 7)
    counters.add('glares', 3)
    await metrics.text()
    bytes = 6
    const text = await metrics.text()
    expect(text).toContain('\nparley_inbox_bytes 6\n')
    expect(text).toContain('\nparley_inbox_evicted_messages_total 7\n')
    expect(text).toContain('\nparley_events_total{event="glares"} 3\n')
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(match => match[1])
    expect(names.every(name => name?.startsWith('parley_'))).toBe(true)
  })

  it('are apart for each daemon in a process', async () => {
    const first = new Metrics(new Counters(), { hasProcessMetrics: true })
    const second = new Metrics(new Counters(), { hasProcessMetrics: false })
    expect(await first.text()).toContain('parley_process_resident_memory_bytes')
    expect(await second.text()).not.toContain('resident_memory')
  })
})
