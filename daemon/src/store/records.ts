import { decode, encode } from 'cborg'
import type { z } from 'zod'
import { DaemonError } from '../errors.ts'
import type { Sublevel } from './port.ts'

/** Turns values into the bytes of a record and back. */
export interface RecordCodec<T> {
  encode(value: T): Uint8Array
  /** @throws {DaemonError} `RECORD_DAMAGED`, naming the sublevel and never the content */
  decode(bytes: Uint8Array): T
}

export interface RecordKind<T extends object> {
  readonly sublevel: Sublevel
  /** Of the record's layout; only this one is read, since migrations leave no other. At most 65,535. */
  readonly version: number
  /** What a record holds. A strict object, without a field `v`. */
  readonly schema: z.ZodType<T>
}

const decodeOptions = {
  strict: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false
}

/** A codec for records of one kind: a CBOR map of the value's fields and `v`, the version. */
export function recordCodec<T extends object>({ sublevel, version, schema }: RecordKind<T>): RecordCodec<T> {
  const damaged = (cause?: unknown) => {
    // A decoder's message may quote what it read; its type is all that is safe to keep.
    const detail = cause instanceof Error ? ` (${cause.name})` : ''
    return new DaemonError('RECORD_DAMAGED', `a record in ${sublevel} does not decode${detail}`, { data: { sublevel } })
  }
  return {
    encode: value => encode({ ...schema.parse(value), v: version }),
    decode: bytes => {
      let content: unknown
      try {
        content = decode(bytes, decodeOptions)
      } catch (error) {
        throw damaged(error)
      }
      if (typeof content !== 'object' || content === null || !('v' in content)) throw damaged()
      const { v, ...value } = content
      const result = v === version ? schema.safeParse(value) : undefined
      if (result?.success !== true) throw damaged(result?.error)
      return result.data
    }
  }
}
