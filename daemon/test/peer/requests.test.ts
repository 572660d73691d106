import { describe, expect, it } from 'vitest'
import type { GivenRequest, Serving } from '../../src/delivery/requests/api.ts'
import { type House, Town, textBody } from './town.ts'

const never = new AbortController().signal

function ask(from: House, to: string, text: string, timeoutMs = 20_000): Promise<string> {
  const request = { contact: from.manager.resolve(to), name: 'echo', body: textBody(text), timeoutMs }
  return from.requests.send(request, never).then(body => Buffer.from(body).toString())
}

/** Serves `echo`; `given` are the requests that came. */
function serve(house: House, answersAtOnce = true): { readonly given: GivenRequest[]; readonly serving: Serving } {
  const given: GivenRequest[] = []
  const serving = house.requests.serve({
    name: 'echo',
    takeover: false,
    by: 'test',
    take: request => {
      given.push(request)
      if (answersAtOnce) serving.respond(request.request, { body: request.body })
      return true
    },
    ended: () => {}
  })
  serving.resume()
  return { given, serving }
}

describe('a request over a session', () => {
  it('is answered, many at a time, and as often as one likes', async () => {
    const town = new Town('echo')
    const [alice, bob] = await town.pair()
    serve(bob)
    for (let round = 0; round < 5; round++) {
      const texts = Array.from({ length: 50 }, (_, n) => `${round}.${n}`)
      expect(await town.run(Promise.all(texts.map(text => ask(alice, 'bob', text))))).toEqual(texts)
    }
  })

  it('is answered by the next session where the first was replaced in good order', async () => {
    const town = new Town('echo over a rekey')
    const [alice, bob] = await town.pair({ limits: { rekeyAfterMs: 30_000 } })
    const { given, serving } = serve(bob, false)
    const answer = ask(alice, 'bob', 'late', 50_000)
    await town.until(() => given.length === 1)
    const generation = () => alice.manager.get('bob').session.generation
    await town.until(() => generation() === 2, 40_000)
    await town.clock.advance(1_000)
    serving.respond(given[0]?.request ?? '', { body: textBody('late') })
    expect(await town.run(answer)).toBe('late')
  })

  it('may have been done when the session that carried it died', async () => {
    const town = new Town('echo lost')
    const [alice, bob] = await town.pair()
    const { given } = serve(bob, false)
    const answer = ask(alice, 'bob', 'lost')
    const outcome = answer.then(String, error => error.data.executed)
    await town.until(() => given.length === 1)
    await bob.kill()
    await town.clock.advance(5_000)
    expect(await outcome).toBe('unknown')
  })

  it('is not made where no session can be had', async () => {
    const town = new Town('echo offline')
    const [alice, bob] = await town.pair()
    await bob.kill()
    await town.until(() => alice.state('bob') !== 'established')
    await expect(town.run(ask(alice, 'bob', 'nobody'))).rejects.toMatchObject({
      code: 'PEER_OFFLINE',
      data: { executed: 'no' }
    })
  })

  it('leaves messages their turn, and they leave it its own', async () => {
    const town = new Town('echo and messages')
    const [alice, bob] = await town.pair()
    serve(bob)
    const heard = bob.listen()
    const plain = bob.listen('plain')
    await town.clock.advance(10)
    const posts = Array.from({ length: 8 }, (_, n) => alice.post('bob', [`${n}${'x'.repeat(60_000)}`]))
    const sends = alice.send(
      'bob',
      Array.from({ length: 8 }, () => new Uint8Array(60_000)),
      'plain',
      60_000
    )
    const asks = Promise.all(Array.from({ length: 10 }, (_, n) => ask(alice, 'bob', `${n}`)))
    const answered = asks.then(() => [heard.count, plain.count])
    await town.run(Promise.all(posts))
    await town.run(sends)
    const [durable = 0, other = 0] = await town.run(answered)
    await town.until(() => heard.count === 8 && plain.count === 8)
    expect([durable < 8, other < 8]).toEqual([true, true])
  })
})
