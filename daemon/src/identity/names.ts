import { DaemonError } from '../errors.ts'

/** The longest ID or name, in bytes of UTF-8. */
export const NAME_BYTES_MAX = 64

// Control, format (with every bidirectional mark), surrogate, private and unassigned characters, line and paragraph
// separators, spaces but the plain one, and characters that are assigned but draw nothing (fillers, selectors, blank Braille).
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/u
const HIDDEN_ALL = new RegExp(HIDDEN, 'gu')

/**
 * Whether `text` is an ID by Parley's rules: 1 to 64 bytes of UTF-8, NFC, printable characters only, no space at either end,
 * no `-` at the start (no ID is taken for an option of a command).
 */
export function isValidName(text: string): boolean {
  // A UTF-16 unit is at least one byte of UTF-8: a cheap bound before the rest looks at every character.
  if (text.length === 0 || text.length > NAME_BYTES_MAX || Buffer.byteLength(text) > NAME_BYTES_MAX) return false
  return !HIDDEN.test(text) && !/^[ -]| $/.test(text) && text.normalize('NFC') === text
}

/**
 * Reads a name or ID that the owner typed: normalised to NFC and freed of surrounding white space, then held to {@link isValidName}.
 *
 * @throws {DaemonError} `NAME_INVALID`
 */
export function parseName(text: string): string {
  const name = text.length > 4 * NAME_BYTES_MAX ? text : text.trim().normalize('NFC')
  if (!isValidName(name)) throw new DaemonError('NAME_INVALID', 'A name is 1 to 64 bytes of printable text.')
  return name
}

/**
 * Text of a peer made fit to be shown: NFC, without control, bidirectional and non-printing characters, runs of white space as
 * one space, at most `maxBytes` bytes of UTF-8. May be empty.
 */
export function cleanText(text: string, maxBytes: number): string {
  const shown = text
    .slice(0, 4 * maxBytes)
    .replace(/\s/gu, ' ')
    .replace(HIDDEN_ALL, '')
  return cutText(shown.replace(/ +/g, ' ').trim().normalize('NFC'), maxBytes)
}

/** The name that a new contact gets from its ID: cleaned, valid, and made different from what `isTaken` knows by `-2`, `-3`, … */
export function defaultName(id: string, isTaken: (name: string) => boolean): string {
  const base = cleanText(id, NAME_BYTES_MAX).replace(/^[ -]+/, '') || 'contact'
  if (!isTaken(base)) return base
  for (let suffix = 2; ; suffix++) {
    const name = `${cutText(base, NAME_BYTES_MAX - 1 - String(suffix).length)}-${suffix}`
    if (!isTaken(name)) return name
  }
}

/**
 * The ID that `parley init` gives when the owner names none: `<user>@<host>-<suffix>`, within the rules of IDs.
 *
 * @param suffix - what tells two daemons of one user and host apart: characters of the key's hash
 */
export function defaultId(user: string, host: string, suffix: string): string {
  const room = NAME_BYTES_MAX - 2 - Buffer.byteLength(suffix)
  const hostPart = cleanText(host, Math.floor(room / 2)) || 'host'
  const userPart = cleanText(user, room - Buffer.byteLength(hostPart)).replace(/^[ -]+/, '') || 'user'
  return `${userPart}@${hostPart}-${suffix}`
}

/** The longest start of `text` that has at most `maxBytes` bytes of UTF-8, never cutting a character, with no space at its end. */
function cutText(text: string, maxBytes: number): string {
  let bytes = 0
  let cut = ''
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > maxBytes) break
    cut += character
  }
  return cut.trimEnd()
}
