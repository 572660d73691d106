import type { Judged, Measured, SuiteResult } from './bench.ts'

/** Lays rows out in columns: the first to the left, the rest to the right. */
function layOut(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map(row => row.map(pad).join('  ').trimEnd()).join('\n')
}

/** Prints a suite's result for a person: what was measured, then how it compares. */
export function suiteTable({ name, measured, ratios }: SuiteResult): string {
  const parts = [`${name}\n`, layOut([['', 'median', 'min', 'max', '', ''], ...measured.map(measuredRow)])]
  if (ratios.length > 0) parts.push('', layOut([['', 'ratio', 'bar', 'aim', ''], ...ratios.map(ratioRow)]))
  return `${parts.join('\n')}\n`
}

function measuredRow({ name, unit, median, min, max, megabytesPerSecond }: Measured): string[] {
  const flow = megabytesPerSecond === undefined ? '' : `${inDigits(megabytesPerSecond)} MB/s`
  return [name, inDigits(median), inDigits(min), inDigits(max), unit, flow]
}

function ratioRow({ what, value, bar, aim, passed }: Judged): string[] {
  const verdict = passed === undefined ? '' : passed ? 'passed' : 'MISSED'
  const number = (of: number | undefined): string => (of === undefined ? '' : String(of))
  return [what, Number.isNaN(value) ? 'not measured' : value.toPrecision(3), number(bar), number(aim), verdict]
}

function inDigits(value: number): string {
  if (Number.isNaN(value)) return '?'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
