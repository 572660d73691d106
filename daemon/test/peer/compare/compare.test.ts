import { describe, expect, it } from 'vitest'
import { Town } from '../town.ts'
import { answer, codeOf, compare, start, waitingAt } from './town-compare.ts'

describe('two contacts that compare', () => {
  it('match where they hold the same secret, and not where they differ in one character', async () => {
    const town = new Town('compare')
    const pair = await town.pair()
    const [alice, bob] = pair
    const verdicts = async (secrets: readonly [string, string]) =>
      (await compare(town, pair, secrets)).map(({ verdict }) => verdict)
    expect(await verdicts(['the red fox', 'the red fox'])).toEqual(['match', 'match'])
    expect(await verdicts(['the red fox', 'the red fob'])).toEqual(['no-match', 'no-match'])
    expect(await verdicts(['x', 'the red fox'])).toEqual(['no-match', 'no-match'])
    expect([...alice.failures, ...bob.failures]).toEqual([])
    for (const house of pair) expect(house.audited).toEqual(['compare.match', 'compare.no-match', 'compare.no-match'])
  })

  it('do so in the other direction with the same secret', async () => {
    const town = new Town('compare back')
    const [alice, bob] = await town.pair()
    for (const pair of [
      [alice, bob],
      [bob, alice]
    ] as const) {
      const [first, second] = await compare(town, pair, ['same', 'same'])
      expect([first.verdict, second.verdict]).toEqual(['match', 'match'])
    }
  })

  it('see what the other asks, cleaned, and that it waits', async () => {
    const town = new Town('compare question')
    const [alice, bob] = await town.pair()
    const started = start(alice, 'bob', 's', { question: 'our\u202e  first\u0007 dog?' })
    const waiting = await waitingAt(town, bob)
    expect(waiting).toMatchObject({ name: 'alice', question: 'our first dog?', purpose: 'compare' })
    expect(bob.events).toContainEqual({ kind: 'compare.waiting', ...waiting })
    const [theirs] = await town.run(Promise.all([answer(bob, waiting.compare, 's'), started]))
    expect(theirs).toEqual({ compare: waiting.compare, verdict: 'match', verified: false })
    expect(bob.comparisons.waiting()).toEqual([])
    expect(bob.events).toContainEqual(expect.objectContaining({ kind: 'compare.over', compare: waiting.compare }))
  })

  it('become verified only where both name that', async () => {
    const town = new Town('compare verify')
    const pair = await town.pair()
    const [alice, bob] = pair
    const verify = { purpose: 'verify' } as const
    await compare(town, pair, ['s', 's'], { from: verify })
    await compare(town, pair, ['s', 's'], { to: verify })
    await compare(town, pair, ['s', 't'], { from: verify, to: verify })
    expect([...alice.verified, ...bob.verified]).toEqual([])
    const results = await compare(town, pair, ['s', 's'], { from: verify, to: verify })
    expect(results.map(({ verified }) => verified)).toEqual([true, true])
    expect(alice.verified).toEqual([alice.manager.resolve('bob')])
    expect(bob.verified).toEqual([bob.manager.resolve('alice')])
  })

  it('agree on one of two starts that cross: that of the smaller public key', async () => {
    const town = new Town('compare crossing')
    const [alice, bob] = await town.pair()
    const [small, large] =
      Buffer.compare(alice.keyring.publicKeyBytes, bob.keyring.publicKeyBytes) < 0 ? [alice, bob] : [bob, alice]
    const stands = start(small, large.name, 's', { question: 'small' })
    const yields = start(large, small.name, 's', { question: 'large' })
    const code = await town.run(yields.catch(error => error.data))
    const waiting = await waitingAt(town, large)
    expect(code).toEqual({ compare: waiting.compare, question: 'small', purpose: 'compare' })
    const [mine, theirs] = await town.run(Promise.all([stands, answer(large, waiting.compare, 's')]))
    expect([mine.verdict, theirs.verdict]).toEqual(['match', 'match'])
    expect(small.comparisons.waiting()).toEqual([])
  })

  it('may cross as often as both like', async () => {
    const town = new Town('compare crossing often')
    const [alice, bob] = await town.pair()
    for (let each = 0; each < 25; each++) {
      const starts = [start(alice, 'bob', 's'), start(bob, 'alice', 's')] as const
      await town.until(() => alice.comparisons.waiting().length + bob.comparisons.waiting().length > 0)
      const [at, stands] = alice.comparisons.waiting().length > 0 ? [alice, starts[1]] : [bob, starts[0]]
      const { compare: id } = await waitingAt(town, at)
      const [mine, theirs] = await town.run(Promise.all([stands, answer(at, id, 's')]))
      expect([mine.verdict, theirs.verdict]).toEqual(['match', 'match'])
    }
  })

  it('compute nothing for a start that nobody answers, which can be declined', async () => {
    const town = new Town('compare declined')
    const [alice, bob] = await town.pair()
    const started = start(alice, 'bob', 's')
    await waitingAt(town, bob)
    expect(await codeOf(start(bob, 'alice', 's'))).toBe('COMPARE_WAITING')
    bob.comparisons.cancel(bob.manager.resolve('alice'), undefined)
    const refused = await town.run(started.catch(error => error))
    expect(refused).toMatchObject({ code: 'COMPARE_REFUSED', data: { reason: 'DECLINED' } })
    expect(bob.comparisons.waiting()).toEqual([])
    expect(() => bob.comparisons.cancel(bob.manager.resolve('alice'), undefined)).toThrow(
      expect.objectContaining({ code: 'NO_SUCH_COMPARISON' })
    )
  })

  it('give up together: when time is over, when the caller goes, when it is cancelled by its name', async () => {
    const town = new Town('compare given up')
    const [alice, bob] = await town.pair()
    const late = start(alice, 'bob', 's', { timeoutMs: 60_000 })
    await waitingAt(town, bob)
    expect(await town.run(codeOf(late))).toBe('TIMED_OUT')
    await town.until(() => bob.comparisons.waiting().length === 0)
    const gone = new AbortController()
    const left = start(alice, 'bob', 's', { signal: gone.signal })
    await waitingAt(town, bob)
    gone.abort()
    expect(await town.run(codeOf(left))).toBe('STOPPED')
    await town.until(() => bob.comparisons.waiting().length === 0)
    const named = start(alice, 'bob', 's', { id: 'mine' })
    await waitingAt(town, bob)
    const contact = alice.manager.resolve('bob')
    expect(() => alice.comparisons.cancel(contact, 'other')).toThrow()
    alice.comparisons.cancel(contact, 'mine')
    expect(await town.run(codeOf(named))).toBe('STOPPED')
  })

  it('go on over a rekey, and end with the session', async () => {
    const town = new Town('compare rekey')
    const [alice, bob] = await town.pair({ limits: { rekeyAfterMs: 30_000 } })
    const generation = () => alice.manager.get('bob').session.generation
    const started = start(alice, 'bob', 's')
    const { compare: id } = await waitingAt(town, bob)
    await town.until(() => generation() === 2, 40_000)
    const [mine, theirs] = await town.run(Promise.all([started, answer(bob, id, 's')]))
    expect([mine.verdict, theirs.verdict]).toEqual(['match', 'match'])
    const lost = start(alice, 'bob', 's')
    await waitingAt(town, bob)
    await bob.kill()
    expect(await town.run(codeOf(lost))).toBe('PEER_OFFLINE')
  })

  it('wait a moment for a session, and no longer', async () => {
    const town = new Town('compare offline')
    const [alice, bob] = await town.pair()
    await bob.kill()
    await town.until(() => alice.state('bob') !== 'established')
    expect(await town.run(codeOf(start(alice, 'bob', 's')))).toBe('PEER_OFFLINE')
    const started = start(alice, 'bob', 's')
    await bob.start()
    const { compare: id } = await waitingAt(town, bob)
    expect((await town.run(Promise.all([started, answer(bob, id, 's')])))[0].verdict).toBe('match')
  })

  it('do not where one of them cannot', async () => {
    const town = new Town('compare unsupported')
    const [alice, bob] = await town.pair()
    await bob.kill()
    bob.features = bob.features.filter(feature => feature !== 'compare')
    await town.until(() => alice.state('bob') !== 'established')
    await bob.start()
    await town.until(() => alice.state('bob') === 'established')
    expect(await town.run(codeOf(start(alice, 'bob', 's')))).toBe('NOT_SUPPORTED')
  })
})
