/**
 * Why a stream of pairing is over before its end.
 *
 * - `PEER_CLOSED`: the other side hung up, or the connection was lost
 * - `RUN_TIMED_OUT`: the run took too long
 * - `PROTOCOL_VIOLATION`: what no honest side sends
 * - `TAMPERED`: a proof, a commitment or a signature does not hold
 * - `SELF`: what came is our own
 * - `WRONG_CODE`: the two sides have different secrets
 * - `RESTING`: too many tries were spent lately
 * - `REFUSED`: a side does not take the other's card
 * - `CANCELLED`: the owner, or the end of the daemon, ended it
 * - `VERSION_MISMATCH`: the other side speaks another version
 * - `STORE_UNAVAILABLE`: what must be on disk first could not be written
 */
export type PairingFaultCode =
  | 'PEER_CLOSED'
  | 'RUN_TIMED_OUT'
  | 'PROTOCOL_VIOLATION'
  | 'TAMPERED'
  | 'SELF'
  | 'WRONG_CODE'
  | 'RESTING'
  | 'REFUSED'
  | 'CANCELLED'
  | 'VERSION_MISMATCH'
  | 'STORE_UNAVAILABLE'

/** Codes that the other side is told; the others end the stream without a word. */
export const BYE_CODES: ReadonlySet<string> = new Set<PairingFaultCode>([
  'WRONG_CODE',
  'TAMPERED',
  'REFUSED',
  'CANCELLED'
])

/** A run or what follows it cannot go on. An expected end, caused by the peer, the network or the owner. */
export class PairingFault extends Error {
  override readonly name = 'PairingFault'
  readonly code: PairingFaultCode
  /** The other side said so. */
  readonly isTold: boolean

  constructor(code: PairingFaultCode, message: string, options: ErrorOptions & { readonly isTold?: boolean } = {}) {
    super(message, options)
    this.code = code
    this.isTold = options.isTold ?? false
  }
}
