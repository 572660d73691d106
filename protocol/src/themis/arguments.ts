import { invalidParameter } from './errors.ts'

/**
 * Takes an argument that must be bytes.
 *
 * @returns the array itself, or a view of the whole `ArrayBuffer`
 * @throws {TypeError} for anything else
 */
export function bytesOf(argument: unknown): Uint8Array {
  if (argument instanceof Uint8Array) return argument
  if (argument instanceof ArrayBuffer) return new Uint8Array(argument)
  throw new TypeError('type mismatch, expect "Uint8Array" or "ArrayBuffer"')
}

/**
 * Takes an argument that must be at least one byte.
 *
 * @param what - its name in the message of the error
 * @throws {TypeError} when it is not bytes; `ThemisError` 12 when it is empty
 */
export function someBytesOf(argument: unknown, subsystem: string, what: string): Uint8Array {
  const bytes = bytesOf(argument)
  if (bytes.length === 0) throw invalidParameter(subsystem, `${what} must be not empty`)
  return bytes
}

/** Takes a passphrase: text in UTF-8, or bytes. */
export function passphraseOf(argument: unknown): Uint8Array {
  if (typeof argument === 'string') return new TextEncoder().encode(argument)
  if (argument instanceof Uint8Array || argument instanceof ArrayBuffer) return bytesOf(argument)
  throw new TypeError('type mismatch, expect "string" or "Uint8Array", "ArrayBuffer"')
}
