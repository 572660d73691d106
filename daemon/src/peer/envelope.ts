import protobuf from 'protobufjs'
import type { Credit, DurableRun, LaneMark, Receipt, Skip } from '../delivery/port.ts'
import { checkedEnvelope } from './envelope-checks.ts'
import { PeerFault } from './fault.ts'

/**
 * The plaintext of one Secure Session data message between daemons. SPEC.md, "Between daemons", says what each field means
 * and who checks it. The schema is final: fields are added, never changed or reused.
 */
export const ENVELOPE_SCHEMA = `syntax = "proto3";

message Batch {
  repeated Envelope envelopes = 1;
}

message Envelope {
  // A receiver that does not know the kind ends the session when this is set, and ignores the envelope when it is not.
  bool required = 1;

  oneof kind {
    Hello hello = 2;
    LaneOpen lane_open = 3;
    Run run = 4;
    Skip skip = 5;
    Receipt receipt = 6;
    Credit credit = 7;
    Request request = 8;
    Response response = 9;
    Reject reject = 10;
    Ping ping = 11;
    Card card = 12;
    Compare compare = 13;
    Succession succession = 14;
    End end = 15;
    Bye bye = 16;
  }
}

message Hello {
  string protocol = 1;
  uint32 minor = 2;
  repeated string features = 3;
  repeated string required_features = 4;
  HelloLimits limits = 5;
  bytes own_node_id = 6;
  bytes peer_node_id = 7;
  bytes own_fingerprint = 8;
  bytes peer_fingerprint = 9;
  bytes transcript = 10;
  bytes boot_id = 11;
  bool rekey = 12;
  uint32 generation = 13;
  uint64 card_serial = 14;
  uint64 held_card_serial = 15;
  repeated LaneMark lanes = 16;
}

message HelloLimits {
  uint64 message_bytes = 1;
  uint64 frame_bytes = 2;
  uint32 lanes = 3;
}

// What the writer of the hello has stored of one durable lane that the reader sends.
message LaneMark {
  bytes epoch = 1;
  uint32 lane = 2;
  uint64 stored = 3;
  bytes tag = 4;
}

message LaneOpen {
  uint32 lane = 1;
  string channel = 2;
  bool durable = 3;
  bytes epoch = 4;
}

message Run {
  uint32 lane = 1;
  uint64 first = 2;
  uint64 accepted_at = 3;
  uint64 ttl_left_ms = 4;
  bytes tag = 5;
  bool maybe_duplicate = 6;
  repeated bytes bodies = 7;
}

message Skip {
  uint32 lane = 1;
  uint64 from = 2;
  uint64 to = 3;
}

message Receipt {
  bytes epoch = 1;
  uint32 lane = 2;
  // 1 stored, 2 handled, 3 rejected
  uint32 state = 3;
  uint64 from = 4;
  uint64 to = 5;
  string reason = 6;
}

// Totals since the lane was opened in this session.
message Credit {
  uint32 lane = 1;
  uint64 messages = 2;
  uint64 bytes = 3;
}

message Request {
  bytes id = 1;
  string name = 2;
  uint64 time_left_ms = 3;
  bytes body = 4;
}

message Response {
  bytes id = 1;
  bytes body = 2;
}

message Reject {
  oneof subject {
    bytes request = 1;
    uint32 lane = 2;
  }
  string code = 3;
  string text = 4;
}

message Ping {
  bytes nonce = 1;
  bool reply = 2;
  // The writer asks the opener of the session to rekey.
  bool rekey = 3;
}

message Card {
  bytes card = 1;
}

message Compare {
  bytes id = 1;
  // 1 start, 2 answer, 3 comparator message, 4 result, 5 cancel
  uint32 step = 2;
  bytes nonce = 3;
  string question = 4;
  bytes message = 5;
  string result = 6;
}

message Succession {
  repeated bytes statements = 1;
}

message End {}

message Bye {
  string code = 1;
  string text = 2;
}
`

export interface Hello {
  readonly protocol: string
  readonly minor: number
  readonly features: readonly string[]
  readonly requiredFeatures: readonly string[]
  readonly limits: { readonly messageBytes: number; readonly frameBytes: number; readonly lanes: number }
  readonly ownNodeId: Uint8Array
  readonly peerNodeId: Uint8Array
  readonly ownFingerprint: Uint8Array
  readonly peerFingerprint: Uint8Array
  readonly transcript: Uint8Array
  readonly bootId: Uint8Array
  readonly rekey: boolean
  readonly generation: number
  readonly cardSerial: number
  readonly heldCardSerial: number
  readonly lanes: readonly LaneMark[]
}

export interface LaneOpen {
  readonly lane: number
  readonly channel: string
  readonly durable: boolean
  /** Of a durable lane, 16 bytes; else empty. */
  readonly epoch?: Uint8Array
}

/** Of a lane that is not durable the fields behind `acceptedAt` are not written. */
export type Run = Pick<DurableRun, 'lane' | 'first' | 'acceptedAt' | 'bodies'> & Partial<DurableRun>

export interface Request {
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly name: string
  readonly timeLeftMs: number
  readonly body: Uint8Array
}

export interface Response {
  readonly id: Uint8Array
  readonly body: Uint8Array
}

/** Refuses a request, or closes a lane; exactly one of the two is there. */
export interface Reject {
  readonly request?: Uint8Array
  readonly lane?: number
  readonly code: string
  readonly text: string
}

export interface Ping {
  readonly nonce: Uint8Array
  readonly reply: boolean
  readonly rekey: boolean
}

export interface Bye {
  readonly code: string
  readonly text: string
}

/** A step of a comparison. What does not belong to the step is empty. */
export interface Compare {
  /** 16 bytes, made by who starts it. */
  readonly id: Uint8Array
  readonly step: CompareStep
  /** Of a start or an answer, 32 bytes. */
  readonly nonce: Uint8Array
  /** Of a start; at most 200 characters. */
  readonly question: string
  /** A message of the comparator, at most 4,096 bytes. */
  readonly message: Uint8Array
  /** Of a result `match` or `no-match`, of a cancel its reason; of a start or an answer `verify` where the match is meant to verify the contact. */
  readonly result: string
}

/** 1 start, 2 answer, 3 comparator message, 4 result, 5 cancel. */
export type CompareStep = 1 | 2 | 3 | 4 | 5

/** The kinds that this version writes and acts on. The others of the schema are known, and end a session that sends them unasked. */
export type Envelope =
  | { readonly hello: Hello }
  | { readonly laneOpen: LaneOpen }
  | { readonly run: Run }
  | { readonly skip: Skip }
  | { readonly receipt: Receipt }
  | { readonly credit: Credit }
  | { readonly request: Request }
  | { readonly response: Response }
  | { readonly reject: Reject }
  | { readonly ping: Ping }
  | { readonly card: { readonly card: Uint8Array } }
  | { readonly compare: Compare }
  | { readonly end: Readonly<Record<string, never>> }
  | { readonly bye: Bye }

/** More envelopes in one frame than this end the session: an empty one costs a sender two bytes and a receiver an object. */
const ENVELOPE_COUNT_MAX = 4_096

// Numbers over 2^53 are refused by the handlers; the library's Long objects would only hide them.
protobuf.util.Long = null as never
protobuf.configure()
const ENVELOPE = protobuf.parse(ENVELOPE_SCHEMA).root.lookupType('Envelope')
const UNSENT_KINDS = ['succession'] as const

/** Encodes envelopes as one Batch, in a buffer of its own. */
export function encodeBatch(envelopes: readonly Envelope[]): Uint8Array {
  const writer = protobuf.Writer.create()
  for (const envelope of envelopes) ENVELOPE.encode(envelope, writer.uint32(BATCH_ENVELOPES_TAG).fork()).ldelim()
  return writer.finish()
}

const BATCH_ENVELOPES_TAG = (1 << 3) | 2

/**
 * Decodes one Batch. Bytes fields are views on `bytes`.
 *
 * @throws {PeerFault} `PROTOCOL_VIOLATION` for anything but well-formed envelopes of kinds that may come here; unknown kinds
 * are left out unless they are marked required
 */
export function decodeBatch(bytes: Uint8Array): Envelope[] {
  const envelopes: Envelope[] = []
  try {
    const reader = protobuf.Reader.create(bytes)
    for (let count = 0; reader.pos < reader.len; count++) {
      if (count === ENVELOPE_COUNT_MAX) throw new PeerFault('PROTOCOL_VIOLATION', 'too many envelopes in a frame')
      const tag = reader.uint32()
      if (tag !== BATCH_ENVELOPES_TAG) reader.skipType(tag & 7)
      else keep(ENVELOPE.decode(reader, reader.uint32()) as unknown as DecodedEnvelope, envelopes)
    }
  } catch (error) {
    if (error instanceof PeerFault) throw error
    throw new PeerFault('PROTOCOL_VIOLATION', 'a frame does not decode', { cause: error })
  }
  return envelopes
}

interface DecodedEnvelope {
  readonly required: boolean
  /** The name of the field that is set. The others read as null, from the library's prototype. */
  readonly kind?: string
  readonly [field: string]: unknown
}

function keep(decoded: DecodedEnvelope, envelopes: Envelope[]): void {
  const { kind } = decoded
  if (kind === undefined) {
    if (decoded.required) throw new PeerFault('PROTOCOL_VIOLATION', 'a required envelope of an unknown kind')
  } else if ((UNSENT_KINDS as readonly string[]).includes(kind)) {
    throw new PeerFault('PROTOCOL_VIOLATION', `${kind} without the feature that announces it`)
  } else envelopes.push(checkedEnvelope(kind, decoded[kind]))
}
