import { describe, expect, it } from 'vitest'
import { bytesText, durationText, oneLine, parseCount, parseDuration, table, textOf } from '../../src/cli/text.ts'

describe('text', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['10', 10_000],
    ['0.5s', 500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000]
  ])('reads the duration %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '0', '-1', '1w', '1e3', ' 1s', '0.0001s', '999999999d', 'Infinity'])('refuses the duration %j', text => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })

  it('names the longest duration for one that is longer', () => {
    expect(() => parseDuration('100000d')).toThrow(/more than 365 d/)
  })

  it.each(['0', '-1', '1.5', '', 'x', '9'.repeat(16)])('refuses the count %j', text => {
    expect(() => parseCount(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })

  it.each([
    [0, '0 s'],
    [59_999, '59 s'],
    [3_600_000, '1 h'],
    [3_661_000, '1 h 1 m'],
    [90_061_000, '1 d 1 h']
  ])('tells %i ms as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text)
  })

  it('puts what a peer wrote on one line, without anything that moves the cursor or turns text', () => {
    expect(oneLine('a\r\nb\tc\u001b[31md\u202ee\u2028f\u0000')).toBe('a b c\ufffd[31md\ufffde f\ufffd')
    expect(oneLine('👩\u200d👧 naïve')).toBe('👩\u200d👧 naïve')
  })

  it('tells UTF-8 from other bytes, and keeps a byte order mark', () => {
    expect(textOf(new Uint8Array(0))).toBe('')
    expect(textOf(Buffer.from('\ufeffhé'))).toBe('\ufeffhé')
    expect(textOf(new Uint8Array([0xc3, 0x28]))).toBeUndefined()
  })

  it('tells sizes in the unit that suits', () => {
    const sizes = [0, 1_023, 1_024, 1_536, 102_400, 5 * 1_024 ** 2, 3.5 * 1_024 ** 5]
    expect(sizes.map(bytesText)).toEqual(['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '100 KiB', '5.0 MiB', '3584 TiB'])
  })

  it('aligns columns', () => {
    expect(
      table([
        ['NAME', 'ID', ''],
        ['bob', 'x\ny', 'z']
      ])
    ).toBe('NAME  ID\nbob   x y  z\n')
  })
})
