import { pino } from 'pino'
import type { Log } from './log-port.ts'

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** One JSON object a line, or text for people. */
  readonly format: 'json' | 'text'
  /** Takes whole lines. */
  readonly write: (line: string) => void
}

/** Fields that are never shown, whatever is in them. */
const SECRET = /secret|passphrase|password|private|seed|token|^(?:body|bodies|key|keys|plaintext|text)$/i
const TEXT_LENGTH_MAX = 500
const DEPTH_MAX = 4
const ENTRY_COUNT_MAX = 50

/** Makes the daemon's log. */
export function createLog(options: LogOptions): Log {
  const { level, format, write } = options
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }), log: shown },
      // Errors are made plain in `shown`.
      serializers: { err: value => value }
    },
    { write: format === 'json' ? write : line => write(asText(line)) }
  )
}

/** The fields as they may be shown: secrets out, bytes by their length, text cut. */
function shown(fields: object): Record<string, unknown> {
  return showMembers(fields, 0)
}

function showMembers(members: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(members).slice(0, ENTRY_COUNT_MAX)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, SECRET.test(name) ? '[redacted]' : show(value, depth)])
  )
}

function show(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cut(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth >= DEPTH_MAX) return '[…]'
  if (value instanceof Error) return showError(value, depth)
  if (Array.isArray(value)) return value.slice(0, ENTRY_COUNT_MAX).map(item => show(item, depth + 1))
  // Classes that hold secrets say with toJSON what may be shown.
  const plain = 'toJSON' in value && typeof value.toJSON === 'function' ? (value.toJSON() as unknown) : value
  if (typeof plain !== 'object' || plain === null) return show(plain, depth + 1)
  return showMembers(plain, depth + 1)
}

function showError(error: Error, depth: number): Record<string, unknown> {
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    message: cut(error.message),
    stack: error.stack?.slice(0, 4 * TEXT_LENGTH_MAX),
    ...(error.cause === undefined ? {} : { cause: show(error.cause, depth + 1) })
  }
}

function cut(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`
}

/** One line of JSON as a line for people: time, level, message, then the fields. */
function asText(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const shownFields = Object.entries(fields).map(([name, value]) => ` ${name}=${fieldText(value)}`)
  const error = err === undefined ? '' : `\n${errorText(err as ShownError)}`
  return `${time} ${String(level).toUpperCase().padEnd(5)} ${clean(String(msg))}${shownFields.join('')}${error}\n`
}

interface ShownError {
  readonly code?: string
  readonly message: string
  readonly stack?: string
  readonly cause?: ShownError
}

function errorText(error: ShownError): string {
  const frames = error.stack?.slice(error.stack.indexOf('\n    at ') + 1).split('\n') ?? []
  const head = `    ${error.code ?? 'error'}: ${clean(error.message)}`
  const body = frames.filter(frame => frame.startsWith('    at ')).map(frame => `    ${clean(frame.trim())}`)
  const cause = typeof error.cause === 'object' ? [`    caused by`, errorText(error.cause)] : []
  return [head, ...body, ...cause].join('\n')
}

function fieldText(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value
  return clean(JSON.stringify(value))
}

/** Names and texts of peers may stand in a log; none of them moves a cursor or starts a line. */
function clean(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
}
