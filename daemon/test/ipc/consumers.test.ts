import { describe, expect, it } from 'vitest'
import { makeRig, postClient, type RpcAnswer, webSocketClient } from './rig.ts'

const credit = { messages: 100, bytes: 1_000_000 }

function codeOf(answer: RpcAnswer): unknown {
  return answer.error?.data['code']
}

describe('consumers over the socket', () => {
  it('are listed, moved and removed', async () => {
    await using rig = await makeRig()
    const client = await webSocketClient(rig, 'cbor')
    const { result } = await client.call('messages.subscribe', { consumer: 'app', credit })
    const lane = rig.openLane()
    lane.deliver('one', 'two', 'three')
    expect((await client.notified()).params).toMatchObject({ first: 1, subscription: result?.['subscription'] })
    await client.call('messages.ack', { consumer: 'app', index: 1 })
    const info = {
      ...{ consumer: 'app', owner: 'local', filter: {}, cursor: 1, lag: 2, oldestAt: 1_700_000_000_000 },
      ...{ unacknowledged: 2, stalled: false, by: 'tester' }
    }
    expect((await client.call('consumers.list')).result).toEqual({ consumers: [info] })
    expect((await client.call('consumers.get', { consumer: 'app' })).result).toEqual(info)
    const sought = await client.call('consumers.seek', { consumer: 'app', to: { after: 2 } })
    expect(sought.result).toMatchObject({ cursor: 2, lag: 1 })
    const { subscription } = result ?? {}
    expect(await client.notified()).toMatchObject({
      method: 'messages.ended',
      params: { subscription, code: 'CURSOR_MOVED' }
    })
    const again = await client.call('messages.subscribe', { consumer: 'app', credit })
    expect((await client.notified()).params).toMatchObject({ first: 3, redelivered: true })
    expect(codeOf(await client.call('consumers.remove', { consumer: 'app' }))).toBe('CONSUMER_BUSY')
    await client.call('messages.unsubscribe', { subscription: again.result?.['subscription'] })
    expect((await client.call('consumers.remove', { consumer: 'app' })).result).toEqual({})
    expect(codeOf(await client.call('consumers.get', { consumer: 'app' }))).toBe('NO_SUCH_CONSUMER')
  })

  it('refuse a message with a reason, over POST too', async () => {
    await using rig = await makeRig()
    const client = await postClient(rig, 'json')
    const waiting = client.call('messages.fetch', { consumer: 'app', waitMs: 60_000 })
    const lane = rig.openLane()
    await lane.granted
    lane.deliver('one', 'two')
    await waiting
    const refuse = (index: number, reason: string) => client.call('messages.reject', { consumer: 'app', index, reason })
    expect(codeOf(await refuse(3, 'no'))).toBe('INVALID_PARAMS')
    expect(codeOf(await refuse(1, 'x'.repeat(5_000)))).toBe('INVALID_PARAMS')
    expect((await refuse(2, 'not now')).result).toEqual({})
    expect(rig.inbox.consumer('app').cursor).toBe(2)
  })
})
