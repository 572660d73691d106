/** What is added to a name, such as ` (12).part.json`, still fits into the 255 bytes of a file system. */
const NAME_BYTES_MAX = 200
// Control, format, surrogate, private and unassigned characters, line and paragraph separators, and what draws nothing.
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/**
 * The name that a file of a peer gets in our folder: one component, no hidden file, nothing that a terminal or a shell trips over by itself, and
 * never one that the parts of files in progress have.
 */
export function safeFileName(name: string): string {
  const shown = name
    .normalize('NFC')
    .replace(HIDDEN, '')
    .replace(/[/\\:*?"<>|]/g, '_')
    .replace(/\s+/gu, ' ')
    .trim()
  const visible = shown.replace(/^\.+/, dots => '_'.repeat(dots.length)).replace(/^-/, '_')
  const whole = /\.part(\.json)?$/i.test(visible) ? `${visible}_` : visible
  return cutName(whole) || 'file'
}

/** `name`, `name (2)`, `name (3)`, … with the ending where it was. */
export function numberedName(name: string, number: number): string {
  if (number === 1) return name
  const { stem, ending } = splitName(name)
  return `${stem} (${number})${ending}`
}

function splitName(name: string): { readonly stem: string; readonly ending: string } {
  const found = /^(.+?)((?:\.tar)?\.[A-Za-z0-9]{1,10})$/.exec(name)
  return { stem: found?.[1] ?? name, ending: found?.[2] ?? '' }
}

function cutName(name: string): string {
  if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return name
  const { stem, ending } = splitName(name)
  let cut = ''
  for (const character of stem) {
    if (Buffer.byteLength(cut + character + ending) > NAME_BYTES_MAX) break
    cut += character
  }
  return cut.trimEnd() + ending
}
