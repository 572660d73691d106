import { cleanText } from '../../identity/names.ts'

export const QUESTION_LENGTH_MAX = 200
const BYTES_PER_CHARACTER_MAX = 4

/** A question made fit to be shown: cleaned as names are, at most 200 characters. May be empty. */
export function cleanQuestion(text: string): string {
  const clean = cleanText(text, BYTES_PER_CHARACTER_MAX * QUESTION_LENGTH_MAX)
  if (clean.length <= QUESTION_LENGTH_MAX) return clean
  let cut = ''
  for (const character of clean) {
    if (cut.length + character.length > QUESTION_LENGTH_MAX) break
    cut += character
  }
  return cut.trimEnd()
}
