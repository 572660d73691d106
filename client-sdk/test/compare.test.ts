import { describe, expect, it } from 'vitest'
import { connect } from '../src/connect.ts'
import { codeOf, connected } from './support/connected.ts'
import { RealServer } from './support/real-server.ts'
import { Refusal } from './support/stand-in-daemon.ts'

const NEVER = new AbortController().signal
const utf8 = (text: string) => new TextEncoder().encode(text)
const RESULT = { compare: 'a'.repeat(32), verdict: 'match', verified: false } as const
const WAITING = {
  ...{ compare: 'b'.repeat(32), contact: 'c1', name: 'bob', question: '', purpose: 'compare', startedAt: 1 }
} as const

describe('a comparison', () => {
  it('goes out with its options, and wipes only copies of the secret', async () => {
    const { daemon, parley } = await connected()
    daemon.answers['compare.start'] = () => RESULT
    const secret = utf8('secret')
    const options = { question: 'who?', purpose: 'verify', timeoutMs: 50 } as const
    expect(await parley.compare('bob', secret, options)).toBe('match')
    expect(secret).toEqual(utf8('secret'))
    expect(await parley.compare('bob', 'cafe\u0301')).toBe('match')
    expect(daemon.callsOf('compare.start')).toEqual([
      { peer: 'bob', secret, ...options, id: `${'c'.repeat(32)}-1` },
      { peer: 'bob', secret: utf8('caf\u00e9'), question: '', id: `${'c'.repeat(32)}-2` }
    ])
  })

  it('answers the one that the contact has started meanwhile, unless that asks something else', async () => {
    const { daemon, parley } = await connected()
    let question = ''
    daemon.answers['compare.start'] = () => {
      throw new Refusal('COMPARE_WAITING', { compare: WAITING.compare, question, purpose: 'compare' })
    }
    daemon.answers['compare.answer'] = () => ({ ...RESULT, verdict: 'no-match' })
    expect(await parley.compare('bob', 'secret')).toBe('no-match')
    expect(daemon.callsOf('compare.answer')).toEqual([
      { compare: WAITING.compare, secret: utf8('secret'), id: `${'c'.repeat(32)}-2` }
    ])
    question = 'the name of your first pet?'
    expect(await codeOf(parley.compare('bob', 'secret'))).toBe('COMPARE_WAITING')
    expect(await parley.compare('bob', 'secret', { question })).toBe('no-match')
  })

  it('that is aborted ends at once, and in the daemon', async () => {
    const { daemon, clock, parley } = await connected()
    daemon.answers['compare.start'] = () => new Promise(() => undefined)
    daemon.answers['compare.cancel'] = () => ({})
    const ending = new AbortController()
    const compared = parley.compare('bob', 'secret', { signal: ending.signal })
    compared.catch(() => undefined)
    await clock.settle()
    ending.abort(new Error('enough'))
    await expect(compared).rejects.toThrow('enough')
    await clock.settle()
    expect(daemon.callsOf('compare.cancel')).toEqual([{ peer: 'bob', id: `${'c'.repeat(32)}-1` }])
  })
})

describe('with the daemon’s own server, comparisons', () => {
  it('are given to the app that answers them, each once, and found by the one that starts them', async () => {
    const { server, clock, open } = RealServer.inMemory()
    await server.start()
    const parley = await connect({ clock, open, socket: 'memory' })
    const far = server.peerCompares
    const start = (secret: string, question = '') =>
      far.start(
        {
          contact: 'contact-near',
          secret: utf8(secret),
          question,
          purpose: 'compare',
          timeoutMs: 60_000,
          id: undefined
        },
        NEVER
      )
    const incoming = parley.comparisons()
    await clock.settle()
    await incoming.ready()
    const started = start('blue', 'the colour of the door?')
    const { value: first } = await incoming.next()
    expect(first).toMatchObject({ name: 'c-me', question: 'the colour of the door?', purpose: 'compare' })
    const answered = first?.answer('blue')
    await clock.settle()
    expect(await answered).toBe('match')
    expect((await started).verdict).toBe('match')
    const declined = start('red')
    declined.catch(() => undefined)
    const { value: second } = await incoming.next()
    await second?.decline()
    await clock.settle()
    await expect(declined).rejects.toMatchObject({ code: 'COMPARE_REFUSED' })
    expect(await codeOf(second?.answer('red') ?? Promise.resolve())).toBe('NO_SUCH_COMPARISON')
    const rest = incoming.next()
    await parley.close()
    expect(await rest).toEqual({ done: true, value: undefined })
  })
})
