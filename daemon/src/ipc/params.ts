import type { VaultOperation } from '@parley/client-sdk/contract'
import { z } from 'zod'
import { parseMessageId } from '../delivery/message-id.ts'
import { CHANNEL_BYTES_MAX, isChannel } from '../peer/incoming.ts'

/** Bytes of a name, an ID, or another short text. */
const TEXT_BYTES_MAX = 256
const NAME_COUNT_MAX = 1024
const SECRET_BYTES_MAX = 4_096

function text(bytesMin: number, bytesMax: number): z.ZodType<string> {
  return z.string().refine(
    value => {
      const bytes = Buffer.byteLength(value)
      return bytes >= bytesMin && bytes <= bytesMax
    },
    { error: `must be text of ${bytesMin} to ${bytesMax} bytes`, abort: true }
  )
}

export const shortText: z.ZodType<string> = text(1, TEXT_BYTES_MAX)
/** What names a contact: its name, ID or contact ID, or a prefix. */
export const peer: z.ZodType<string> = text(1, TEXT_BYTES_MAX)
/** SHA-256 of a Themis public key container. */
export const fingerprint: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: 'must be 64 hexadecimal digits' })
export const channel: z.ZodType<string> = z
  .string()
  .refine(isChannel, { error: `must be text of 1 to ${CHANNEL_BYTES_MAX} bytes without control characters` })
export const cardText: z.ZodType<string> = text(1, 64 * 1024)
/** A link of an invitation, or a multiaddr. */
export const pairingLink: z.ZodType<string> = text(1, 4_096)

/** An integer from `min` to `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const error = `must be an integer from ${min} to ${max}`
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

export const from: z.ZodType<'start' | 'now' | { readonly after: number }> = z.union(
  [z.literal('start'), z.literal('now'), z.strictObject({ after: integer(0) })],
  { error: 'must be "start", "now" or {"after": index}' }
)

export const filter: z.ZodType<{ readonly peers?: readonly string[]; readonly channels?: readonly string[] }> =
  z.strictObject({
    peers: z.array(peer).min(1).max(NAME_COUNT_MAX).exactOptional(),
    channels: z.array(channel).min(1).max(NAME_COUNT_MAX).exactOptional()
  })

export const consumer: z.ZodType<string> = text(1, 64)
/** Why a message is refused; 200 characters of it are told. */
export const reason: z.ZodType<string> = text(0, 4_096)
export const creditMessages: z.ZodType<number> = integer(0, 2 ** 32)
export const creditBytes: z.ZodType<number> = integer(0, 2 ** 40)
export const credit: z.ZodType<{ readonly messages: number; readonly bytes: number }> = z.strictObject({
  messages: creditMessages,
  bytes: creditBytes
})

export const names: z.ZodType<readonly string[]> = z.array(shortText).max(NAME_COUNT_MAX)

/** Bodies, checked as a list: a schema for each would cost more than the rest of the call. */
export const bodies: z.ZodType<readonly Uint8Array[]> = z.custom<readonly Uint8Array[]>(
  value => Array.isArray(value) && value.length > 0 && value.every(body => body instanceof Uint8Array),
  { error: 'must be a list of at least one body, each of them bytes' }
)

export const messageId: z.ZodType<string> = z
  .string()
  .refine(value => parseMessageId(value) !== undefined, { error: 'must be a message ID: EPOCH.LANE.NUMBER' })
export const messageCount: z.ZodType<number> = integer(1)
export const clientId: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{32}$/, { error: 'must be 32 hexadecimal digits' })

/** The name of a request follows the rules of channels. */
export const requestName: z.ZodType<string> = channel
export const body: z.ZodType<Uint8Array> = z.custom<Uint8Array>(value => value instanceof Uint8Array, {
  error: 'must be bytes'
})

/** What is compared, 1 to 4,096 bytes. */
export const secret: z.ZodType<Uint8Array> = z.custom<Uint8Array>(
  value => value instanceof Uint8Array && value.length > 0 && value.length <= SECRET_BYTES_MAX,
  { error: `must be 1 to ${SECRET_BYTES_MAX} bytes` }
)
export const compareId: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{32}$/, { error: 'must be 32 hexadecimal digits' })
export const comparePurpose: z.ZodType<'compare' | 'verify'> = z.enum(['compare', 'verify'], {
  error: 'must be "compare" or "verify"'
})

/** What a cell of the vault is bound to beside its owner. */
export const vaultContext: z.ZodType<Uint8Array> = z.custom<Uint8Array>(
  value => value instanceof Uint8Array && value.length <= 4_096,
  { error: 'must be at most 4096 bytes' }
)
export const vaultOperation: z.ZodType<VaultOperation> = z.enum(
  ['seal', 'open', 'sign', 'verify', 'encrypt', 'decrypt'],
  { error: 'must be seal, open, sign, verify, encrypt or decrypt' }
)
export const vaultRun: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{32}$/, { error: 'must be 32 hexadecimal digits' })

export const eventsAfter: z.ZodType<string> = text(1, 128)

/** A file's name: text of 1 to 255 bytes without control characters; not a path. */
export const fileName: z.ZodType<string> = z
  .string()
  .refine(name => name.length > 0 && Buffer.byteLength(name) <= 255 && !/[\p{Cc}/]/u.test(name), {
    error: 'must be text of 1 to 255 bytes without slashes and control characters'
  })
export const transferId: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{32}$/, { error: 'must be 32 hexadecimal characters' })
export const transferCode: z.ZodType<string> = z
  .string()
  .regex(/^[A-Z][A-Z_]{0,31}$/, { error: 'must be an upper-case word' })
export const sha256: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: 'must be 64 hexadecimal characters' })
