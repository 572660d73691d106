/** Why a stream or a session between daemons is over. Counted, logged and shown; the first group is the peer's doing. */
export type EndCode =
  | 'AUTHENTICATION_FAILED'
  | 'HANDSHAKE_TIMED_OUT'
  | 'HANDSHAKE_LIMIT'
  | 'HELLO_MISMATCH'
  | 'VERSION_MISMATCH'
  | 'PROTOCOL_VIOLATION'
  | 'FRAME_TOO_LARGE'
  | 'LANE_GAP'
  | 'CREDIT_EXCEEDED'
  | 'CHANNEL_LIMIT'
  | 'CHAIN_FOREIGN'
  | 'CHAIN_REPLAYED'
  | 'CHAIN_GAP'
  | 'FORK'
  | 'FLOODED'
  | 'PEER_SILENT'
  | 'PEER_CLOSED'
  | 'PEER_RESTARTED'
  | 'CONNECTION_LOST'
  // by agreement or by this side
  | 'GLARE'
  | 'REKEYED'
  | 'REPLACED'
  | 'STORE_REOPENED'
  | 'SESSION_EXPIRED'
  | 'BLOCKED'
  | 'CHANGED'
  | 'REMOVED'
  | 'STOPPING'
  | 'FAILED'
  // dialling
  | 'DIAL_FAILED'
  | 'WRONG_NODE'
  | 'NOT_ACCEPTED'

/** A peer's bytes broke a rule: the stream they came on ends, and nothing else. Never a crash of an actor. */
export class PeerFault extends Error {
  override readonly name = 'PeerFault'
  readonly code: EndCode

  constructor(code: EndCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options)
    this.code = code
  }
}
