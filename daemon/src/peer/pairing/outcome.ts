import type { ErrorCode, PairingState } from '@parley/client-sdk/contract'
import { DaemonError } from '../../errors.ts'
import type { PairingRole } from './binding.ts'
import { PairingFault, type PairingFaultCode } from './fault.ts'

/** What apps are told of a pairing, beside which one it is. */
export interface PairingNews {
  readonly state: PairingState
  readonly code?: ErrorCode
  readonly detail?: string
  readonly triesLeft?: number
  /** The other side's own ID, once it has shown its card. */
  readonly id?: string
  readonly contact?: string
  readonly name?: string
}

/** Tells of one pairing. */
export type TellPairing = (pairing: string, role: PairingRole, news: PairingNews) => void

const CODES: Readonly<Record<PairingFaultCode, ErrorCode>> = {
  PEER_CLOSED: 'PAIRING_FAILED',
  RUN_TIMED_OUT: 'TIMED_OUT',
  PROTOCOL_VIOLATION: 'PAIRING_FAILED',
  TAMPERED: 'TAMPERED',
  SELF: 'SELF',
  WRONG_CODE: 'PAIRING_WRONG_CODE',
  RESTING: 'PAIRING_RESTING',
  REFUSED: 'PAIRING_REFUSED',
  CANCELLED: 'PAIRING_CANCELLED',
  VERSION_MISMATCH: 'VERSION_MISMATCH',
  STORE_UNAVAILABLE: 'STORE_UNAVAILABLE'
}

/** Whatever ended a pairing, as a code of the contract and words. */
export function endOf(error: unknown): { readonly code: ErrorCode; readonly detail: string } {
  if (error instanceof PairingFault) return { code: CODES[error.code], detail: error.message }
  if (error instanceof DaemonError) return { code: error.code, detail: error.message }
  return { code: 'INTERNAL', detail: 'the daemon failed' }
}

const INTERRUPTIONS: ReadonlySet<PairingFaultCode> = new Set(['PEER_CLOSED', 'RUN_TIMED_OUT', 'PROTOCOL_VIOLATION'])

/** Whether a stream ended in a way after which another one may go on. */
export function isInterruption(error: unknown): boolean {
  if (error instanceof PairingFault) return INTERRUPTIONS.has(error.code)
  return error instanceof DaemonError && error.code === 'STORE_UNAVAILABLE'
}
