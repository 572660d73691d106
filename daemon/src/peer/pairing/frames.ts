/**
 * Frames of `/parley/pair/1.0.0`. The first byte of a frame says what it is; `lp(x)` is u32be length and x.
 *
 *     1 hello       version (1) ‖ form (1: code 1, link 2) ‖ lp(nameplate) ‖ nonce (32) ‖ commitment (32)
 *     2 comparison  a message of Secure Comparator
 *     3 open        lp(card) ‖ blind (32)
 *     4 confirm     a Secure Message over the statement `parley/pair-confirm/v1`
 *     5 done
 *     6 resume      T (32)
 *     7 bye         lp(code)
 */
import { CARD_BYTES_MAX } from '../../identity/card.ts'
import { FieldReader, joinBytes, lengthPrefixed, textBytes } from '../../identity/fields.ts'
import type { PairingForm } from './code.ts'
import { PairingFault } from './fault.ts'

export const PAIR_PROTOCOL = '/parley/pair/1.0.0'
export const PAIR_VERSION = 1
/** The longest frame until the own comparison has matched. */
export const PAIR_FRAME_BYTES_MAX = 4_096
/** After that: a whole card, its blind and their lengths. */
export const OPEN_FRAME_BYTES_MAX: number = CARD_BYTES_MAX + 64

export const NONCE_BYTES = 32
export const BLIND_BYTES = 32
const DIGEST_BYTES = 32
const NAMEPLATE_BYTES_MAX = 8
const BYE_CODE_BYTES_MAX = 32

export interface PairingHello {
  readonly form: PairingForm
  readonly nameplate: string
  readonly nonce: Uint8Array
  readonly commitment: Uint8Array
}

export type PairingFrame =
  | { readonly kind: 'hello'; readonly hello: PairingHello }
  | { readonly kind: 'comparison'; readonly message: Uint8Array }
  | { readonly kind: 'open'; readonly card: Uint8Array; readonly blind: Uint8Array }
  | { readonly kind: 'confirm'; readonly signed: Uint8Array }
  | { readonly kind: 'done' }
  | { readonly kind: 'resume'; readonly binding: Uint8Array }
  | { readonly kind: 'bye'; readonly code: string }

export type PairingFrameKind = PairingFrame['kind']

const KINDS: readonly PairingFrameKind[] = ['hello', 'comparison', 'open', 'confirm', 'done', 'resume', 'bye']
const FORMS: readonly PairingForm[] = ['code', 'link']

export function encodePairingFrame(frame: PairingFrame): Uint8Array {
  return joinBytes(Uint8Array.of(KINDS.indexOf(frame.kind) + 1), bodyOf(frame))
}

function bodyOf(frame: PairingFrame): Uint8Array {
  switch (frame.kind) {
    case 'hello': {
      const { form, nameplate, nonce, commitment } = frame.hello
      const head = Uint8Array.of(PAIR_VERSION, FORMS.indexOf(form) + 1)
      return joinBytes(head, lengthPrefixed(textBytes(nameplate)), nonce, commitment)
    }
    case 'comparison':
      return frame.message
    case 'open':
      return joinBytes(lengthPrefixed(frame.card), frame.blind)
    case 'confirm':
      return frame.signed
    case 'done':
      return new Uint8Array(0)
    case 'resume':
      return frame.binding
    case 'bye':
      return lengthPrefixed(textBytes(frame.code))
  }
}

/** Reads a frame. What it gives are copies. @throws {PairingFault} `PROTOCOL_VIOLATION`, `VERSION_MISMATCH` for a hello of another version */
export function decodePairingFrame(bytes: Uint8Array): PairingFrame {
  const reader = new FieldReader(bytes, malformed)
  const kind = KINDS[byte(reader) - 1]
  if (kind === undefined) throw malformed()
  const frame = decodeBody(kind, reader, bytes)
  reader.end()
  return frame
}

function decodeBody(kind: PairingFrameKind, reader: FieldReader, bytes: Uint8Array): PairingFrame {
  const rest = () => reader.raw(bytes.length - 1).slice()
  switch (kind) {
    case 'hello':
      return { kind, hello: decodeHello(reader) }
    case 'comparison':
      return { kind, message: rest() }
    case 'open':
      return { kind, card: reader.field(1, CARD_BYTES_MAX), blind: reader.raw(BLIND_BYTES).slice() }
    case 'confirm':
      return { kind, signed: rest() }
    case 'done':
      return { kind }
    case 'resume':
      return { kind, binding: reader.raw(DIGEST_BYTES).slice() }
    case 'bye':
      return { kind, code: Buffer.from(reader.field(1, BYE_CODE_BYTES_MAX)).toString('latin1') }
  }
}

function decodeHello(reader: FieldReader): PairingHello {
  if (byte(reader) !== PAIR_VERSION) throw new PairingFault('VERSION_MISMATCH', 'a hello of another version')
  const form = FORMS[byte(reader) - 1]
  if (form === undefined) throw malformed()
  const nameplate = reader.text(NAMEPLATE_BYTES_MAX)
  return {
    form,
    nameplate,
    nonce: reader.raw(NONCE_BYTES).slice(),
    commitment: reader.raw(DIGEST_BYTES).slice()
  }
}

function byte(reader: FieldReader): number {
  return reader.raw(1)[0] as number
}

function malformed(): PairingFault {
  return new PairingFault('PROTOCOL_VIOLATION', 'a frame that does not decode')
}
