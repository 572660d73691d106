import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numberedName, safeFileName } from '../../src/cli/file-name.ts'

describe('the name of a file that came', () => {
  it.each([
    ['holiday.mp4', 'holiday.mp4'],
    ['../../etc/passwd', '___.._etc_passwd'],
    ['..', '__'],
    ['/', '_'],
    ['.bashrc', '_bashrc'],
    ['-rf', '_rf'],
    ['a\u0000b\nc\u202ed', 'abcd'],
    ['C:\\x', 'C__x'],
    ['\u200b', 'file'],
    ['x.part', 'x.part_'],
    ['x.PART.json', 'x.PART.json_']
  ])('is made of %j as %j', (name, safe) => {
    expect(safeFileName(name)).toBe(safe)
  })

  it('is one short visible component whatever the peer called it, and safe already once it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), name => {
        const safe = safeFileName(name)
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(210)
        expect(safe).not.toMatch(/^[.-]|[/\\\p{Cc}]|\.part(\.json)?$|^$/u)
        expect(safeFileName(safe)).toBe(safe)
      })
    )
  })

  it('keeps its ending when it is cut or numbered', () => {
    expect(safeFileName(`${'ä'.repeat(200)}.tar.gz`)).toMatch(/ä\.tar\.gz$/)
    expect(numberedName('a.tar.gz', 2)).toBe('a (2).tar.gz')
    expect(numberedName('README', 3)).toBe('README (3)')
    expect(numberedName('a.txt', 1)).toBe('a.txt')
  })
})
