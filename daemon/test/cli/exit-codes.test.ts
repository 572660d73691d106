import { ERRORS, type ErrorCode, ParleyError } from '@parley/client-sdk'
import { describe, expect, it } from 'vitest'
import { EXIT, EXIT_OF_ERROR, exitCodeOf } from '../../src/cli/exit-codes.ts'
import { failureJson, failureText, toFailure } from '../../src/cli/failure.ts'

describe('exit codes', () => {
  it('are there for every error code, and none is 0', () => {
    expect(Object.keys(EXIT_OF_ERROR).sort()).toEqual(Object.keys(ERRORS).sort())
    for (const code of Object.keys(ERRORS)) expect(exitCodeOf(code), code).toBeGreaterThan(EXIT.ok)
  })

  it.each([
    ['NO_SUCH_PEER', 1],
    ['TOO_LARGE', 5],
    ['QUEUE_FULL', 5],
    ['BLOCKED', 4],
    ['UNTRUSTED', 4],
    ['PEER_OFFLINE', 8],
    ['NOT_ACCEPTED', 8],
    ['DAEMON_UNREACHABLE', 3],
    ['TIMED_OUT', 6],
    ['CONFIG_INVALID', 9],
    ['VERSION_MISMATCH', 7],
    ['INTERNAL', 2]
  ] satisfies [ErrorCode, number][])('%s ends with %i', (code, exit) => {
    expect(exitCodeOf(code)).toBe(exit)
  })

  it('are 2 for a code of a newer daemon, and for names that every object has', () => {
    expect(exitCodeOf('FROM_THE_FUTURE')).toBe(2)
    expect(exitCodeOf('toString')).toBe(2)
  })
})

describe('a failure', () => {
  it('tells message, cause and action, each on a line of its own', () => {
    const failure = toFailure(new ParleyError('NO_SUCH_PEER', 'no contact is called bob'))
    expect(failureText('parley', failure)).toBe(
      `parley: no contact is called bob\n  ${ERRORS.NO_SUCH_PEER.cause}\n  next: ${ERRORS.NO_SUCH_PEER.action}\n`
    )
  })

  it('does not say the same twice', () => {
    const text = failureText('parley', toFailure(new ParleyError('NO_SUCH_PEER')))
    expect(text.split('\n')).toHaveLength(3)
  })

  it('is one JSON object on one line', () => {
    const text = failureJson(toFailure(new ParleyError('PEER_OFFLINE', 'two\nlines')))
    expect(text.indexOf('\n')).toBe(text.length - 1)
    expect(JSON.parse(text)).toEqual({
      error: { code: 'PEER_OFFLINE', message: 'two\nlines', action: ERRORS.PEER_OFFLINE.action, retryable: true }
    })
  })

  it('keeps a code, an action and a retryable of a newer daemon', () => {
    const error = new ParleyError('FROM_THE_FUTURE', 'new', { action: 'wait', retryable: true })
    expect(toFailure(error)).toEqual({ code: 'FROM_THE_FUTURE', message: 'new', action: 'wait', retryable: true })
  })

  it('is INTERNAL for what has no code of ours', () => {
    expect(toFailure(new Error('odd')).code).toBe('INTERNAL')
    expect(toFailure(Object.assign(new Error('no space'), { code: 'ENOSPC' })).code).toBe('INTERNAL')
    expect(toFailure('thrown text')).toMatchObject({ code: 'INTERNAL', message: 'thrown text' })
  })

  it('cannot move the cursor of a terminal', () => {
    const text = failureText(
      'parley',
      toFailure(new ParleyError('INVALID_PARAMS', 'a\u001b[2Jb', { action: 'c\u202ed' }))
    )
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })
})
