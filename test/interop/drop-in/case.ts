import type * as WasmThemis from 'wasm-themis'

export type Themis = typeof WasmThemis

/** A piece of a program, run with wasm-themis and with the drop-in. What comes out must be the same. */
export interface Case {
  readonly name: string
  run(themis: Themis): unknown
}

/** What a call came to, in a form that can be compared: chance is cut down to lengths. */
export function outcomeOf(run: () => unknown): unknown {
  try {
    return plain(run())
  } catch (error) {
    if (error instanceof TypeError) return 'TypeError'
    const { errorCode, message } = error as Error & { errorCode?: number }
    const className = (error as Error).constructor.name
    return errorCode === undefined ? `${className}: ${message}` : `${className} ${errorCode}`
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.constructor.name}: ${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(plain)
  return value
}

export const bytes = (text: string) => new TextEncoder().encode(text)
export const EMPTY = new Uint8Array(0)
export const TEXT = bytes('some content')
export const CONTEXT = bytes('context')
export const MASTER_KEY = bytes('a master key of any length')

/** What is no byte buffer. */
export const NOT_BYTES: readonly unknown[] = [
  null,
  undefined,
  'string',
  7,
  new Int16Array([1, 2, 3]),
  [4, 5, 6],
  () => new Uint8Array(3),
  { value: [1] }
]

/** Arguments whose types forbid what the cases try. */
export type Loose = Record<string, (...args: unknown[]) => unknown>
export const loose = (object: object) => object as Loose
export const make = (Class: unknown, ...args: unknown[]): Loose =>
  new (Class as new (...args: unknown[]) => Loose)(...args)

/** Outcomes of one call with each of the wrong arguments. */
export const withEach = (values: readonly unknown[], call: (value: unknown) => unknown) =>
  values.map(value => outcomeOf(() => lengthOf(call(value))))
export const lengthOf = (value: unknown) => (value instanceof Uint8Array ? value.length : typeof value)

/** Copies with one bit of every byte changed, and every beginning. */
export function damaged(whole: Uint8Array): Uint8Array[] {
  const changed = [...whole].map((byte, i) => {
    const copy = whole.slice()
    copy[i] = byte ^ 1
    return copy
  })
  return [...changed, ...[...whole].map((_, length) => whole.slice(0, length))]
}
