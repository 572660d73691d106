import { z } from 'zod'
import { defineMethod, type Method, transferApp } from '../call.ts'
import { integer, transferId } from '../params.ts'

/** Checked as lists: a schema for each would cost more than the rest of the call. */
const byteList: z.ZodType<readonly Uint8Array[]> = z.custom<readonly Uint8Array[]>(
  value => Array.isArray(value) && value.every(item => item instanceof Uint8Array),
  { error: 'must be a list of bytes' }
)

export const transfersWrite: Method = defineMethod('transfers.write', {
  access: 'send',
  params: { transfer: transferId, position: integer(0), chunks: byteList, hashes: byteList },
  byteLists: ['chunks', 'hashes'],
  run({ transfer, position, chunks, hashes }, call) {
    return call.deps.transfers.write(transferApp(call), transfer, position, chunks, hashes)
  }
})
