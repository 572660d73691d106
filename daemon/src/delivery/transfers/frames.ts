import protobuf from 'protobufjs'
import { PeerFault } from '../../peer/fault.ts'
import { HASH_BYTES } from './position.ts'

/**
 * The plaintext of one Secure Session data message on a transfer stream: one frame. SPEC.md, "Transfers", says what each means and who sends it.
 * The schema is final: fields are added, never changed or reused.
 */
export const TRANSFER_SCHEMA = `syntax = "proto3";

message Frame {
  // A receiver that does not know the kind ends the stream when this is set, and ignores the frame when it is not.
  bool required = 1;

  oneof kind {
    Offer offer = 2;
    Accept accept = 3;
    Chunk chunk = 4;
    Synced synced = 5;
    Finish finish = 6;
    Done done = 7;
    Pause pause = 8;
    Cancel cancel = 9;
    Ping ping = 10;
  }
}

// The sender's first frame on each stream.
message Offer {
  bytes id = 1;
  string name = 2;
  uint64 size = 3;
}

message Accept {
  uint32 round = 1;
  uint64 position = 2;
  uint64 synced = 3;
  uint64 window = 4;
}

message Chunk {
  uint32 round = 1;
  uint64 position = 2;
  bytes hash = 3;
  bytes bytes = 4;
}

message Synced {
  uint32 round = 1;
  uint64 position = 2;
}

message Finish {
  uint32 round = 1;
  bytes hash = 2;
}

message Done {}

message Pause {}

message Cancel {
  string code = 1;
  string text = 2;
}

message Ping {
  bool reply = 1;
}
`

export interface Offer {
  /** 16 random bytes. */
  readonly id: Uint8Array
  readonly name: string
  readonly size: number
}

export interface Accept {
  readonly round: number
  /** Where the sender is to go on. */
  readonly position: number
  /** What the receiving program has synced: at most `position`. */
  readonly synced: number
  /** How far the sender may be ahead of that, in bytes. */
  readonly window: number
}

export interface Chunk {
  readonly round: number
  readonly position: number
  /** SHA-256 of `bytes`. */
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
}

export interface Cancel {
  readonly code: string
  readonly text: string
}

type None = Readonly<Record<string, never>>

export type TransferFrame =
  | { readonly offer: Offer }
  | { readonly accept: Accept }
  | { readonly chunk: Chunk }
  | { readonly synced: { readonly round: number; readonly position: number } }
  /** `hash` is the SHA-256 of the whole file. */
  | { readonly finish: { readonly round: number; readonly hash: Uint8Array } }
  | { readonly done: None }
  | { readonly pause: None }
  | { readonly cancel: Cancel }
  | { readonly ping: { readonly reply: boolean } }

export const TRANSFER_ID_BYTES = 16
export const FILE_NAME_BYTES_MAX = 255
const CANCEL_CODE_BYTES_MAX = 64
const CANCEL_TEXT_BYTES_MAX = 800

// Numbers over 2^53 are refused below; the library's Long objects would only hide them.
protobuf.util.Long = null as never
protobuf.configure()
const FRAME = protobuf.parse(TRANSFER_SCHEMA).root.lookupType('Frame')
const CHUNK_FIELD_TAG = (4 << 3) | 2
const CHUNK_BYTES_TAG = (4 << 3) | 2

/** Encodes one frame as parts whose concatenation it is; the bytes of a chunk are a part of their own, not copied. */
export function encodeFrame(frame: TransferFrame): readonly Uint8Array[] {
  if (!('chunk' in frame)) return [FRAME.encode(frame).finish()]
  const { round, position, hash, bytes } = frame.chunk
  const inner = protobuf.Writer.create()
  inner.uint32((1 << 3) | 0).uint32(round)
  inner.uint32((2 << 3) | 0).uint64(position)
  inner.uint32((3 << 3) | 2).bytes(hash)
  inner.uint32(CHUNK_BYTES_TAG).uint32(bytes.length)
  const header = inner.finish()
  const outer = protobuf.Writer.create()
  outer.uint32(CHUNK_FIELD_TAG).uint32(header.length + bytes.length)
  return [outer.finish(), header, bytes]
}

/**
 * Decodes one frame; bytes fields are views on `bytes`. Undefined for a kind that is not known and not marked required.
 *
 * @throws {PeerFault} `PROTOCOL_VIOLATION` for anything but a well-formed frame with lengths and numbers within bounds
 */
export function decodeFrame(bytes: Uint8Array): TransferFrame | undefined {
  let decoded: { readonly required: boolean; readonly kind?: string; readonly [field: string]: unknown }
  try {
    decoded = FRAME.decode(bytes) as unknown as typeof decoded
  } catch (error) {
    throw new PeerFault('PROTOCOL_VIOLATION', 'a frame does not decode', { cause: error })
  }
  const { kind } = decoded
  if (kind === undefined) {
    if (decoded.required) throw new PeerFault('PROTOCOL_VIOLATION', 'a required frame of an unknown kind')
    return undefined
  }
  const frame = { [kind]: decoded[kind] } as unknown as TransferFrame
  if (!isWithinBounds(frame)) throw new PeerFault('PROTOCOL_VIOLATION', `a field of ${kind} is out of bounds`)
  return frame
}

function isWithinBounds(frame: TransferFrame): boolean {
  const isNumber = Number.isSafeInteger
  if ('offer' in frame) {
    const { id, name, size } = frame.offer
    const nameBytes = Buffer.byteLength(name)
    return (
      id.length === TRANSFER_ID_BYTES &&
      nameBytes > 0 &&
      nameBytes <= FILE_NAME_BYTES_MAX &&
      isNumber(size) &&
      size >= 0
    )
  }
  if ('chunk' in frame) return frame.chunk.hash.length === HASH_BYTES && isNumber(frame.chunk.position)
  if ('accept' in frame) {
    const { position, synced, window } = frame.accept
    return isNumber(position) && isNumber(synced) && isNumber(window)
  }
  if ('synced' in frame) return isNumber(frame.synced.position)
  if ('finish' in frame) return frame.finish.hash.length === HASH_BYTES
  if ('cancel' in frame) {
    const { code, text } = frame.cancel
    return Buffer.byteLength(code) <= CANCEL_CODE_BYTES_MAX && Buffer.byteLength(text) <= CANCEL_TEXT_BYTES_MAX
  }
  return true
}
