import { UsageError } from './command-errors.ts'

/** Everything that moves a cursor, hides, or turns the direction of text; but not the joiners that scripts and emoji need. */
const HIDDEN = /(?!\u200c|\u200d|\ufe0e|\ufe0f)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Text of a peer on one line of a terminal: line ends and tabs become spaces, what does not print becomes `�`. */
export function oneLine(text: string): string {
  return text.replace(/\r?\n|[\t\u2028\u2029]/g, ' ').replace(HIDDEN, '\ufffd')
}

/** The text that bytes are in UTF-8, or undefined where they are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined // Not UTF-8: the one thing that a fatal decoder throws for.
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION_MS_MAX = 365 * 86_400_000

/**
 * Milliseconds of `500ms`, `10s`, `2m`, `1h` or `1d`; a number alone is seconds.
 *
 * @throws {UsageError}
 */
export function parseDuration(text: string): number {
  const found = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text)
  const ms = Math.round(Number(found?.[1]) * (UNITS[found?.[2] ?? 's'] ?? Number.NaN))
  if (ms > DURATION_MS_MAX) {
    throw new UsageError(`"${oneLine(text)}" is more than ${durationText(DURATION_MS_MAX)}`, 'Give a shorter time.')
  }
  if (!(ms >= 1)) {
    throw new UsageError(`"${oneLine(text)}" is no duration`, 'Write it like 500ms, 10s, 2m, 1h or 1d.')
  }
  return ms
}

/** A whole number from 1. @throws {UsageError} */
export function parseCount(text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (count === 0) throw new UsageError(`"${oneLine(text)}" is no count`, 'Write a whole number from 1.')
  return count
}

/** A length of time for people: the two largest units. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's']
  ]
  const first = parts.findIndex(([amount]) => amount > 0)
  if (first === -1) return '0 s'
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ')
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** A size for people: `812 B`, `1.4 MiB`. */
export function bytesText(bytes: number): string {
  const power = bytes < 1_024 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log2(bytes) / 10))
  const amount = bytes / 1_024 ** power
  return `${power === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${SIZES[power]}`
}

/** Rows as columns of equal width, two spaces between; a last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map(row => row.map(oneLine))
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)))
  return cells
    .map(row => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))))
    .map(row => `${row.join('  ').trimEnd()}\n`)
    .join('')
}
