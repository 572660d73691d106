import { describe, expect, it } from 'vitest'
import { DaemonError } from '../../src/errors.ts'
import { createLog, type LogOptions } from '../../src/observe/log.ts'
import type { Log } from '../../src/observe/log-port.ts'

function logInto(options: Partial<LogOptions> = {}): { log: Log; lines: string[] } {
  const lines: string[] = []
  return { lines, log: createLog({ level: 'debug', format: 'json', write: line => lines.push(line), ...options }) }
}
const parsed = (lines: string[]): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>

describe('the log', () => {
  it('writes one JSON object a line, with level, time, message and its fields', () => {
    const { log, lines } = logInto()
    log.info({ contact: 'c1', code: 'GLARE' }, 'session ended')
    expect(lines).toHaveLength(1)
    expect(lines[0]?.endsWith('}\n')).toBe(true)
    expect(parsed(lines)).toMatchObject({ level: 'info', contact: 'c1', code: 'GLARE', msg: 'session ended' })
    expect(String(parsed(lines)['time'])).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
  })

  it('leaves out what is below its level', () => {
    const { log, lines } = logInto({ level: 'warn' })
    log.info({}, 'no')
    log.warn({}, 'yes')
    expect(lines).toHaveLength(1)
  })

  it.each(['json', 'text'] as const)('shows no secret and no bytes as %s', format => {
    const { log, lines } = logInto({ format })
    const bytes = new TextEncoder().encode('hunter2')
    const holder = { toJSON: () => ({ id: 'ada' }), hidden: 'hunter2' }
    log.error(
      {
        passphrase: 'hunter2',
        seed: 'hunter2',
        privateKey: 'hunter2',
        bodies: ['hunter2'],
        nested: { token: 'hunter2', deep: { secret: 'hunter2', chunk: bytes } },
        chunk: bytes,
        buffer: Buffer.from(bytes),
        holder
      },
      'message'
    )
    expect(lines[0]).not.toContain('hunter2')
    expect(lines[0]).not.toContain('104')
    expect(lines[0]).toContain('[7 bytes]')
    expect(lines[0]).toContain('ada')
  })

  it('shows an error with its code and its causes', () => {
    const { log, lines } = logInto()
    log.error({ err: new DaemonError('DIAL_FAILED', 'no answer', { cause: new Error('ECONNREFUSED') }) }, 'dial')
    expect(parsed(lines)['err']).toMatchObject({ code: 'DIAL_FAILED', cause: { message: 'ECONNREFUSED' } })
  })

  it('keeps text on one line, whatever a peer put into it', () => {
    const { log, lines } = logInto({ format: 'text' })
    log.info({ name: 'a\nb\u001b[2J', long: 'x'.repeat(10_000) }, 'hello\nworld')
    expect(lines[0]?.trimEnd()).not.toMatch(/\p{Cc}/u)
    expect(lines[0]?.length).toBeLessThan(1_000)
    expect(lines[0]).toMatch(/INFO {2}hello world/)
  })

  it('bounds lists, depth and cycles', () => {
    const { log, lines } = logInto()
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    log.info({ cycle, list: Array.from({ length: 10_000 }, (_, index) => index), big: 5n }, 'bounded')
    expect(lines[0]?.length).toBeLessThan(1_000)
    expect(parsed(lines)['big']).toBe('5')
  })
})
