import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DaemonError } from '../../src/errors.ts'
import { cleanText, defaultId, defaultName, isValidName, parseName } from '../../src/identity/names.ts'

const HIDDEN = [
  '\0',
  '\n',
  '\t',
  '\x1b',
  '\x7f',
  '\x85',
  '\u00a0',
  '\u00ad',
  '\u034f',
  '\u115f',
  '\u200b',
  '\u200d',
  '\u200e'
]
HIDDEN.push(
  '\u2028',
  '\u202e',
  '\u2066',
  '\u2069',
  '\u2800',
  '\u3000',
  '\u3164',
  '\ufe0f',
  '\ufeff',
  '\ufff9',
  '\uffff',
  '\ud800'
)
HIDDEN.push('\ue000', '\u{e0041}', '\u{1d173}', '\u{10ffff}')

const codeOf = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    if (error instanceof DaemonError) return error.code
    throw error
  }
  return undefined
}

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...HIDDEN, ' ', '-', 'e\u0301', 'ß', '漢', '🦜'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 2 })
  )
})

describe('IDs and names', () => {
  it('are 1 to 64 bytes of printable text in NFC', () => {
    for (const name of [
      'a',
      'ada@lab-a2a2e',
      'Ada Lovelace',
      'é',
      '漢字',
      '🦜',
      'a'.repeat(64),
      'ü'.repeat(32),
      'x--',
      '#+*/\\"'
    ]) {
      expect(isValidName(name)).toBe(true)
    }
    for (const name of ['', 'a'.repeat(65), 'ü'.repeat(33), ' a', 'a ', '-a', '--help', 'e\u0301', '\u212b']) {
      expect(isValidName(name)).toBe(false)
    }
  })

  it('hide nothing: no control, bidirectional or invisible character', () => {
    for (const character of HIDDEN) expect(isValidName(`a${character}b`)).toBe(false)
  })

  it('that the owner typed are normalised and freed of white space around them', () => {
    expect(parseName(' e\u0301mile\n')).toBe('émile')
    for (const name of ['', '  ', '-x', 'a\u202eb', 'x'.repeat(65), 'x'.repeat(1_000_000)]) {
      expect(codeOf(() => parseName(name))).toBe('NAME_INVALID')
    }
  })
})

describe('text of a peer that is shown', () => {
  it('loses every hidden character and keeps the rest', () => {
    for (const character of HIDDEN) expect(cleanText(`ab${character}cd`, 64).replace(' ', '')).toBe('abcd')
    expect(cleanText(' a \r\n\t b ', 64)).toBe('a b')
  })

  it('is empty or valid as a name, but for a dash at the start', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 64 }), (raw, maxBytes) => {
        const cleaned = cleanText(raw, maxBytes)
        expect(cleaned === '' || isValidName(cleaned.replace(/^-/, '#'))).toBe(true)
        expect(Buffer.byteLength(cleaned)).toBeLessThanOrEqual(maxBytes)
        expect(cleanText(cleaned, maxBytes)).toBe(cleaned)
      })
    )
  })

  it('is cut between characters', () => {
    expect(cleanText('🦜🦜🦜', 9)).toBe('🦜🦜')
    expect(cleanText('ab cd', 3)).toBe('ab')
    expect(cleanText('x'.repeat(1_000_000), 200)).toBe('x'.repeat(200))
  })
})

describe('names that are made up', () => {
  it('come from the ID and differ from those that are taken', () => {
    const taken = new Set(['bob', 'bob-2', 'x'.repeat(64)])
    expect(defaultName('eve', name => taken.has(name))).toBe('eve')
    expect(defaultName('bob', name => taken.has(name))).toBe('bob-3')
    expect(defaultName('x'.repeat(64), name => taken.has(name))).toBe(`${'x'.repeat(62)}-2`)
    expect(defaultName('--', name => taken.has(name))).toBe('contact')
  })

  it('are valid whatever they are made of', () => {
    fc.assert(
      fc.property(text, text, fc.integer({ min: 0, max: 12 }), (user, host, takenCount) => {
        expect(isValidName(defaultId(user, host, 'a2a2e'))).toBe(true)
        let asked = 0
        expect(isValidName(defaultName(user, () => asked++ < takenCount))).toBe(true)
      })
    )
  })

  it('of a daemon tell user, host and key, each within its room', () => {
    expect(defaultId('ada', 'lab', 'a2a2e')).toBe('ada@lab-a2a2e')
    expect(defaultId('', '\u202e', 'a2a2e')).toBe('user@host-a2a2e')
    expect(defaultId('u'.repeat(99), 'h'.repeat(99), 'a2a2e')).toBe(`${'u'.repeat(29)}@${'h'.repeat(28)}-a2a2e`)
  })
})
