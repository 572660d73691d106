import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeTempHome, type TempHome } from '../../../test/support/temp-home.ts'
import { openLogFile } from '../../src/observe/log-file.ts'

let home: TempHome
beforeEach(() => {
  home = makeTempHome()
})
afterEach(() => home.remove())

describe('a log file', () => {
  it('goes on where it ended, and is its owner’s alone', () => {
    openLogFile(home.file('log'), 100)('one\n')
    openLogFile(home.file('log'), 100)('two\n')
    expect(readFileSync(home.file('log'), 'utf8')).toBe('one\ntwo\n')
    expect(statSync(home.file('log')).mode & 0o777).toBe(0o600)
  })

  it('keeps its bound, and the file before it', () => {
    const write = openLogFile(home.file('log'), 100)
    for (let line = 0; line < 100; line++) write(`${String(line).padStart(9)}\n`)
    expect(statSync(home.file('log')).size).toBeLessThanOrEqual(100)
    expect(statSync(home.file('log.1')).size).toBe(100)
    expect(readFileSync(home.file('log'), 'utf8')).toContain('99')
  })

  it('takes a line that is longer than its bound, alone', () => {
    const write = openLogFile(home.file('log'), 10)
    write('short\n')
    write('a line that is long\n')
    expect(readFileSync(home.file('log'), 'utf8')).toBe('a line that is long\n')
  })

  it('does not end the daemon where it cannot be written', () => {
    const write = openLogFile(home.file('log'), 10)
    write('12345678\n')
    rmSync(home.path, { recursive: true })
    expect(() => write('12345678\n')).not.toThrow()
    expect(existsSync(home.path)).toBe(false)
  })
})
