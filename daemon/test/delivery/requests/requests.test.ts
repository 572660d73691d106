import { describe, expect, test } from 'vitest'
import { ask, bytes, failureOf, KiB, MiB, makeTown, NEVER, serve, text } from './support.ts'

const executed = (code: string, whether: 'no' | 'unknown') => ({ code, executed: whether })

describe('a request', () => {
  test('is answered by the program that serves its name', async () => {
    const { clock, alice, bob, connect } = makeTown()
    connect()
    const app = serve(bob, 'sum')
    const answer = ask(alice, 'bob', 'sum', 'one and two', 1_000)
    await clock.settle()
    expect(app.given).toMatchObject([{ contact: 'alice', from: 'alice@host', fromName: 'alice', name: 'sum' }])
    expect(app.given[0]?.timeLeftMs).toBe(1_000)
    expect(text(app.given[0]?.body ?? bytes(''))).toBe('one and two')
    app.serving.respond('r1', { body: bytes('three') })
    expect(await answer).toBe('three')
  })

  test('travels with the time that is left of it', async () => {
    const { clock, alice, bob, connect } = makeTown()
    const app = serve(bob, 'sum')
    const answer = ask(alice, 'bob')
    await clock.advance(400)
    connect()
    await clock.settle()
    expect(app.given[0]?.timeLeftMs).toBe(600)
    app.serving.respond('r1', { body: bytes('late') })
    expect(await answer).toBe('late')
  })

  test('without a responder is NO_RESPONDER, and was not executed', async () => {
    const { alice, connect } = makeTown()
    connect()
    expect(await failureOf(ask(alice, 'bob'))).toEqual(executed('NO_RESPONDER', 'no'))
  })

  test('that no session takes within the wait for a dial is PEER_OFFLINE, and was not executed', async () => {
    const { clock, alice } = makeTown({ sendDialWaitMs: 500 })
    const failure = failureOf(ask(alice, 'bob'))
    expect(alice.dialled).toEqual(['bob'])
    await clock.advance(500)
    expect(await failure).toEqual(executed('PEER_OFFLINE', 'no'))
  })

  test.each(['PEER_OFFLINE', 'NOT_ACCEPTED', 'NOT_SUPPORTED'] as const)(
    'fails at once with %s when the session says so',
    async code => {
      const { clock, alice } = makeTown()
      const failure = failureOf(ask(alice, 'bob'))
      alice.requests.unreachable('bob', code, 'why')
      expect(await failure).toEqual(executed(code, 'no'))
      expect(clock.timerCount).toBe(0)
    }
  )

  test('whose deadline passes in the hands of the program is DEADLINE, and its late answer is dropped', async () => {
    const { clock, alice, bob, connect } = makeTown()
    const session = connect()
    const app = serve(bob, 'sum')
    const failure = failureOf(ask(alice, 'bob'))
    await clock.settle()
    session.isStalled = true
    app.serving.respond('r1', { body: bytes('late') })
    await clock.advance(999)
    await clock.advance(1)
    expect(await failure).toEqual(executed('DEADLINE', 'unknown'))
    session.carry()
    expect(clock.timerCount).toBe(0)
  })

  test('that waits for credit until its deadline was not executed', async () => {
    const { clock, alice, bob, connect } = makeTown({}, { requestContactCountMax: 16 })
    connect()
    const app = serve(bob, 'sum')
    const taken = Array.from({ length: 16 }, () => failureOf(ask(alice, 'bob')))
    const waiting = failureOf(ask(alice, 'bob'))
    await clock.settle()
    expect(app.given.length).toBe(16)
    await clock.advance(1_000)
    expect(await waiting).toEqual(executed('DEADLINE', 'no'))
    expect(new Set((await Promise.all(taken)).map(({ executed }) => executed))).toEqual(new Set(['unknown']))
  })

  test('that too many others keep from being taken on is QUEUE_FULL, and was not executed', async () => {
    const { clock, alice, bob, connect } = makeTown({}, { requestAllCountMax: 1 })
    connect()
    const app = serve(bob, 'sum')
    const answer = ask(alice, 'bob')
    await clock.settle()
    await expect(ask(alice, 'bob')).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      data: { scope: 'peer', executed: 'no' }
    })
    app.serving.respond('r1', { body: bytes('y') })
    expect(await answer).toBe('y')
  })

  test('is given up with STOPPED by its ID, and by its signal without a word', async () => {
    const { clock, alice, bob, connect } = makeTown()
    connect()
    const app = serve(bob, 'sum')
    const more = { contact: 'bob', name: 'sum', body: bytes('x'), timeoutMs: 1_000 }
    const cancelled = failureOf(alice.requests.send({ ...more, id: 'a' }, NEVER))
    expect(await failureOf(alice.requests.send({ ...more, id: 'a' }, NEVER))).toMatchObject({ code: 'INVALID_PARAMS' })
    await clock.settle()
    alice.requests.cancel('a')
    expect(await cancelled).toEqual(executed('STOPPED', 'unknown'))
    expect(() => alice.requests.cancel('a')).toThrow(expect.objectContaining({ code: 'NO_SUCH_REQUEST' }))

    const gone = new AbortController()
    const aborted = failureOf(alice.requests.send(more, gone.signal))
    gone.abort()
    expect(await aborted).toEqual(executed('STOPPED', 'no'))
    app.serving.respond('r1', { body: bytes('late') })
    await clock.settle()
    expect(await failureOf(alice.requests.send(more, gone.signal))).toEqual(executed('STOPPED', 'no'))
  })

  test('larger than the peer takes is TOO_LARGE', async () => {
    const { alice, connect } = makeTown()
    connect(KiB)
    expect(await failureOf(ask(alice, 'bob', 'sum', 'x'.repeat(KiB + 1)))).toEqual(executed('TOO_LARGE', 'no'))
  })

  test('beyond what may be in flight is QUEUE_FULL with its scope', async () => {
    const { alice } = makeTown({ requestContactBytesMax: 2 * MiB, requestAllBytesMax: 3 * MiB })
    const body = 'x'.repeat(MiB)
    const open = [ask(alice, 'bob', 'a', body), ask(alice, 'bob', 'b', body), ask(alice, 'carol', 'a', body)]
    const settled = Promise.allSettled(open)
    await expect(ask(alice, 'bob', 'c', 'x')).rejects.toMatchObject({ data: { scope: 'contact', freeBytes: 0 } })
    await expect(ask(alice, 'carol', 'c', 'x')).rejects.toMatchObject({ data: { scope: 'all', freeBytes: 0 } })
    alice.requests.stop()
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  })
})

describe('a responder', () => {
  test('refuses with a code and a text, cleaned and cut', async () => {
    const { clock, alice, bob, connect } = makeTown()
    connect()
    const app = serve(bob, 'sum')
    const plain = ask(alice, 'bob')
    const coded = ask(alice, 'bob')
    await clock.settle()
    app.serving.respond('r1', { error: { text: `no\u202e\n${'x'.repeat(500)}` } })
    app.serving.respond('r2', { error: { code: 'NOT_MINE', text: '' } })
    const failure = await plain.catch(error => error)
    expect(failure).toMatchObject({ code: 'REQUEST_REFUSED', data: { executed: 'unknown' } })
    expect(failure.message).toMatch(/^no x+$/)
    expect(failure.message.length).toBe(200)
    await expect(coded).rejects.toMatchObject({ code: 'REQUEST_REFUSED', data: { refusal: 'NOT_MINE' } })
  })

  test('is the only one of its name, unless another takes over', async () => {
    const { clock, alice, bob, connect } = makeTown()
    connect()
    const first = serve(bob, 'sum', { by: 'first' })
    expect(() => serve(bob, 'sum')).toThrow(expect.objectContaining({ code: 'RESPONDER_BUSY', data: { by: 'first' } }))
    first.isWanting = false
    const given = failureOf(ask(alice, 'bob', 'sum', 'given'))
    const waiting = ask(alice, 'bob', 'sum', 'waiting')
    await clock.settle()
    expect(first.given.length).toBe(1)
    const second = serve(bob, 'sum', { takeover: true })
    expect(first.ended).toEqual(['TAKEN_OVER'])
    expect(() => first.serving.respond('r1', { body: bytes('x') })).toThrow(
      expect.objectContaining({ code: 'NO_SUCH_REQUEST' })
    )
    expect(await given).toEqual(executed('RESPONDER_GONE', 'unknown'))
    expect(second.given.map(({ body }) => text(body))).toEqual(['waiting'])
    second.serving.respond('r1', { body: bytes('done') })
    expect(await waiting).toBe('done')
    first.serving.close()
    const again = ask(alice, 'bob')
    await clock.settle()
    second.serving.respond('r2', { body: bytes('still here') })
    expect(await again).toBe('still here')
  })

  test('that goes away leaves what it had as RESPONDER_GONE and what waited as NO_RESPONDER', async () => {
    const { clock, alice, bob, connect } = makeTown()
    connect()
    const app = serve(bob, 'sum')
    app.isWanting = false
    const [given, waiting] = [failureOf(ask(alice, 'bob')), failureOf(ask(alice, 'bob'))]
    await clock.settle()
    app.serving.close()
    app.serving.close()
    expect(await given).toEqual(executed('RESPONDER_GONE', 'unknown'))
    expect(await waiting).toEqual(executed('NO_RESPONDER', 'no'))
    expect(app.ended).toEqual([])
    serve(bob, 'sum')
  })

  test('is given more when it wants more, and at most 256 that it has not answered', async () => {
    const { clock, alice, bob, connect } = makeTown({ requestContactCountMax: 1_000 })
    connect()
    const app = serve(bob, 'sum')
    app.isWanting = false
    const answers = Array.from({ length: 300 }, () => ask(alice, 'bob'))
    await clock.settle()
    expect(app.given.length).toBe(1)
    app.isWanting = true
    app.serving.resume()
    expect(app.given.length).toBe(256)
    for (const { request } of app.given.slice()) app.serving.respond(request, { body: bytes('y') })
    expect(app.given.length).toBe(300)
    for (const { request } of app.given.slice(256)) app.serving.respond(request, { body: bytes('y') })
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['y']))
  })

  test('cannot answer twice, nor after the deadline, nor with more than the peer takes', async () => {
    const { clock, alice, bob, connect } = makeTown()
    connect(KiB)
    const app = serve(bob, 'sum')
    const answer = ask(alice, 'bob')
    const late = failureOf(ask(alice, 'bob', 'sum', 'x', 50))
    await clock.settle()
    const respond = (request: string, body: string) => () => app.serving.respond(request, { body: bytes(body) })
    expect(respond('r1', 'y'.repeat(KiB + 1))).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
    respond('r1', 'y')()
    expect(respond('r1', 'y')).toThrow(expect.objectContaining({ code: 'NO_SUCH_REQUEST' }))
    await clock.advance(50)
    expect(respond('r2', 'y')).toThrow(expect.objectContaining({ code: 'NO_SUCH_REQUEST' }))
    expect(await answer).toBe('y')
    expect(await late).toEqual(executed('DEADLINE', 'unknown'))
  })

  test('is told QUEUE_FULL while too many answers wait to be sent, and may try again', async () => {
    const { clock, alice, bob, connect } = makeTown({ answerContactBytesMax: 2 * MiB })
    const session = connect()
    const app = serve(bob, 'sum')
    const answers = [ask(alice, 'bob'), ask(alice, 'bob'), ask(alice, 'bob')]
    await clock.settle()
    session.isStalled = true
    const body = new Uint8Array(MiB)
    app.serving.respond('r1', { body })
    app.serving.respond('r2', { body })
    expect(() => app.serving.respond('r3', { body })).toThrow(
      expect.objectContaining({ code: 'QUEUE_FULL', data: { scope: 'contact', freeBytes: 0 } })
    )
    session.isStalled = false
    session.carry()
    app.serving.respond('r3', { body })
    expect((await Promise.all(answers)).map(({ length }) => length)).toEqual([MiB, MiB, MiB])
  })

  test('hears SHUTTING_DOWN when the daemon stops', async () => {
    const { bob } = makeTown()
    const app = serve(bob, 'sum')
    bob.requests.stop()
    expect(app.ended).toEqual(['SHUTTING_DOWN'])
  })
})

describe('sessions', () => {
  test('that are lost fail what they carried as unknown; what waits goes on', async () => {
    const { clock, alice, bob, connect } = makeTown({ requestContactCountMax: 256 })
    const session = connect()
    const app = serve(bob, 'sum')
    const carried = failureOf(ask(alice, 'bob'))
    await clock.settle()
    session.isStalled = true
    const waiting = ask(alice, 'bob', 'sum', 'later')
    session.die()
    expect(await carried).toEqual(executed('PEER_OFFLINE', 'unknown'))
    expect(alice.dialled).toEqual(['bob'])
    connect()
    await clock.settle()
    app.serving.respond('r2', { body: bytes('here') })
    expect(await waiting).toBe('here')
    app.serving.respond('r1', { body: bytes('nobody waits') })
    await clock.settle()
  })

  test('that follow one another in good order lose no answer', async () => {
    const { clock, alice, bob, connect } = makeTown()
    const before = connect()
    const app = serve(bob, 'sum')
    const answer = ask(alice, 'bob')
    await clock.settle()
    connect()
    before.detach()
    app.serving.respond('r1', { body: bytes('by the other') })
    expect(await answer).toBe('by the other')
  })

  test('carry thousands of requests, as what is answered is granted again', async () => {
    const { clock, alice, bob, connect } = makeTown({ requestContactCountMax: 16 })
    connect()
    const app = serve(bob, 'sum')
    for (let round = 0; round < 200; round++) {
      const answers = Array.from({ length: 16 }, () => ask(alice, 'bob'))
      await clock.settle()
      for (const { request } of app.given.splice(0)) app.serving.respond(request, { body: bytes('y') })
      await Promise.all(answers)
    }
    expect(clock.timerCount).toBe(0)
  })

  test('carry bodies of 1 MiB, as what is answered is granted again', async () => {
    const { clock, alice, bob, connect } = makeTown({ requestContactBytesMax: 2 * MiB })
    connect()
    const app = serve(bob, 'sum')
    for (let round = 0; round < 20; round++) {
      const answer = ask(alice, 'bob', 'sum', 'x'.repeat(MiB))
      await clock.settle()
      for (const { request } of app.given.splice(0)) app.serving.respond(request, { body: bytes('y') })
      expect(await answer).toBe('y')
    }
  })

  test('of a contact that was removed leave nothing', async () => {
    const { clock, alice, bob, connect } = makeTown()
    const session = connect()
    const app = serve(bob, 'sum')
    const failure = failureOf(ask(alice, 'bob'))
    await clock.settle()
    alice.requests.forgetContact('bob')
    bob.requests.forgetContact('alice')
    session.detach()
    expect(await failure).toEqual(executed('PEER_OFFLINE', 'unknown'))
    expect(() => app.serving.respond('r1', { body: bytes('x') })).toThrow(
      expect.objectContaining({ code: 'NO_SUCH_REQUEST' })
    )
    expect(clock.timerCount).toBe(0)
  })
})
