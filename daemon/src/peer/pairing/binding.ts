import { createHash } from 'node:crypto'
import { ProtocolError, type PublicKey, verifyMessage } from '@parley/protocol'
import { joinBytes, lengthPrefixed, sameBytes, textBytes } from '../../identity/fields.ts'
import { nodeIdBytes } from '../../identity/node-id.ts'
import type { NodeId } from '../../transport/port.ts'
import type { PairingForm } from './code.ts'

/** The inviter answers the comparison, the joiner begins it: always. */
export type PairingRole = 'inviter' | 'joiner'

/** What both sides said, and who they are by Noise. The order of roles is fixed: a carrier of bytes cannot turn it round. */
export interface PairingTerms {
  readonly form: PairingForm
  readonly nameplate: string
  readonly nodeIds: Readonly<Record<PairingRole, NodeId>>
  /** 32 random bytes each. */
  readonly nonces: Readonly<Record<PairingRole, Uint8Array>>
  /** {@link commitmentOf} each. */
  readonly commitments: Readonly<Record<PairingRole, Uint8Array>>
}

const PAIR_LABEL = textBytes('parley/pair/v1\0')
const CONFIRM_LABEL = textBytes('parley/pair-confirm/v1\0')

/** T: 32 bytes that stand for this one run between these two nodes. */
export function bindingOf({ form, nameplate, nodeIds, nonces, commitments }: PairingTerms): Uint8Array {
  return sha256(
    PAIR_LABEL,
    lengthPrefixed(textBytes(form)),
    lengthPrefixed(textBytes(nameplate)),
    lengthPrefixed(nodeIdBytes(nodeIds.inviter)),
    lengthPrefixed(nodeIdBytes(nodeIds.joiner)),
    nonces.inviter,
    nonces.joiner,
    commitments.inviter,
    commitments.joiner
  )
}

/** What is given to the comparator, as one piece. The caller wipes it. */
export function comparedSecret(binding: Uint8Array, secret: Uint8Array): Uint8Array {
  return joinBytes(PAIR_LABEL, binding, secret)
}

/** What a side says of its card before it shows it: SHA-256 of the card and 32 random bytes. */
export function commitmentOf(card: Uint8Array, blind: Uint8Array): Uint8Array {
  return sha256(card, blind)
}

/** What the confirms are about beside T: SHA-256 of the four messages of the comparison. */
export function comparisonHash(messages: readonly Uint8Array[]): Uint8Array {
  return sha256(...messages)
}

/** The statement by which a side says that its comparison matched. Signed with its Themis key. */
export function confirmStatement(role: PairingRole, binding: Uint8Array, comparison: Uint8Array): Uint8Array {
  return joinBytes(CONFIRM_LABEL, lengthPrefixed(textBytes(role)), lengthPrefixed(binding), lengthPrefixed(comparison))
}

/** Whether `signed` is a Secure Message by `key` that says exactly `statement`. */
export function isConfirm(signed: Uint8Array, key: PublicKey, statement: Uint8Array): boolean {
  try {
    return sameBytes(verifyMessage(key, signed), statement)
  } catch (error) {
    if (error instanceof ProtocolError) return false
    throw error
  }
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}
