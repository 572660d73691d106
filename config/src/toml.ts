import { parse, TomlError } from 'smol-toml'
import { ConfigError } from './errors.ts'

/** A configuration file that is well-formed TOML. */
export interface TomlFile {
  readonly file: string
  readonly text: string
  readonly values: Record<string, unknown>
}

/**
 * Reads TOML text.
 *
 * @throws {ConfigError} `CONFIG_INVALID` with the line where it stops being TOML
 */
export function parseToml(file: string, text: string): TomlFile {
  try {
    return { file, text, values: parse(text) }
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const [message = 'is not TOML'] = cause.message.split('\n')
    const problem = { key: '', message, source: file, line: cause.line }
    throw new ConfigError('CONFIG_INVALID', [problem], { cause })
  }
}

/**
 * The line, from 1, on which the setting at `path` stands, or that of the nearest thing around it; undefined where nothing is.
 *
 * `text` must be well-formed TOML: this looks only at table headers and at the keys that start a line.
 */
export function lineOf(text: string, path: readonly string[]): number | undefined {
  let table: string[] = []
  let quote = ''
  let best: { line: number; length: number } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const inText = quote !== ''
    quote = openQuote(line, quote)
    if (inText) continue
    const header = /^\s*\[{1,2}([^[\]]+)\]{1,2}\s*(#.*)?$/.exec(line)?.[1]
    if (header !== undefined) table = splitKey(header)
    const key = header === undefined ? keyAtStart(line) : []
    if (key === undefined) continue
    const found = [...table, ...key]
    const matches = found.length <= path.length && found.every((part, at) => part === path[at])
    if (matches && found.length > (best?.length ?? 0)) best = { line: index + 1, length: found.length }
  }
  return best?.line
}

function keyAtStart(line: string): string[] | undefined {
  const key = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/.exec(line)?.[1]
  return key === undefined ? undefined : splitKey(key)
}

function splitKey(key: string): string[] {
  return (key.match(/[\w-]+|"[^"]*"|'[^']*'/g) ?? []).map(part => part.replace(/^["']|["']$/g, ''))
}

/** The multi-line quote (`"""` or `'''`) that is open after a line, given the one that was open before it. */
function openQuote(line: string, open: string): string {
  let quote = open
  for (const [mark] of line.matchAll(/"""|'''/g)) {
    if (quote === '') quote = mark
    else if (quote === mark) quote = ''
  }
  return quote
}
