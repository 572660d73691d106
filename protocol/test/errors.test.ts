import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ProtocolError, THEMIS_STATUS, themisStatus } from '../src/errors.ts'

test('the status numbers are those of the table in SPEC.md', () => {
  const spec = readFileSync(new URL('../SPEC.md', import.meta.url), 'utf8')
  const rows = [...spec.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (\d+) \|$/gm)]
  const table = rows.map(([, code, handshake, other]) => [code, { handshake: Number(handshake), other: Number(other) }])
  expect(Object.fromEntries(table)).toEqual(THEMIS_STATUS)
})

test('a wrong call is 12, and what nobody foresaw is 11', () => {
  expect(themisStatus(new ProtocolError('AUTHENTICATION_FAILED', 'x'), 'handshake')).toBe(16)
  expect(themisStatus(new ProtocolError('AUTHENTICATION_FAILED', 'x'))).toBe(11)
  expect(themisStatus(new RangeError('x'))).toBe(12)
  expect(themisStatus(new TypeError('x'))).toBe(12)
  expect(themisStatus(new Error('x'))).toBe(11)
})
