import { wipeBytes } from '../bytes.ts'
import type { KeyPair, PublicKey } from '../keys.ts'
import type { Introduction } from './messages.ts'

export const ROLES = ['client', 'server'] as const

/** Who opened the session. */
export type SessionRole = (typeof ROLES)[number]

/** What both sides derive from the handshake. Secret, but for the ID. */
export interface SessionSecrets {
  /** 4 bytes as derived; numbers and the wire hold them reversed. */
  readonly sessionId: Uint8Array
  /** 32 bytes. */
  readonly masterKey: Uint8Array
}

/**
 * A Secure Session by what it waits for. Client: idle, awaiting-accept, awaiting-server-key,
 * awaiting-finish, established. Server: listening, awaiting-client-key, awaiting-proceed, established.
 * There is no failed state: as in Themis a refused input changes nothing, and whoever owns the session
 * decides to close it.
 *
 * `messages` holds handshake messages 1 to 4 as they passed, as far as they have been accepted.
 */
export type SessionState =
  | { readonly tag: 'idle' }
  | { readonly tag: 'awaiting-accept'; readonly ephemeral: KeyPair; readonly messages: readonly Uint8Array[] }
  | {
      readonly tag: 'awaiting-server-key'
      readonly ephemeral: KeyPair
      readonly messages: readonly Uint8Array[]
      readonly accept: Introduction
    }
  | {
      readonly tag: 'awaiting-finish'
      readonly remoteId: Uint8Array
      readonly secrets: SessionSecrets
      readonly finishMac: Uint8Array
      readonly messages: readonly Uint8Array[]
    }
  | { readonly tag: 'listening' }
  | { readonly tag: 'awaiting-client-key'; readonly connect: Introduction }
  | {
      readonly tag: 'awaiting-proceed'
      readonly remoteId: Uint8Array
      readonly clientKey: PublicKey
      /** What the client's second signature must cover. */
      readonly proceedSigned: Uint8Array
      readonly proceedMac: Uint8Array
      readonly finishMac: Uint8Array
      readonly secrets: SessionSecrets
      readonly messages: readonly Uint8Array[]
    }
  | {
      readonly tag: 'established'
      readonly role: SessionRole
      /** `undefined` in a session that was loaded: saved states hold no identity. */
      readonly remoteId: Uint8Array | undefined
      readonly secrets: SessionSecrets
      readonly messages: readonly Uint8Array[]
    }
  /** Its owner has wiped it. */
  | { readonly tag: 'closed' }

/** Something that happened. */
export type SessionInput =
  /** The owner wants message 1. */
  | { readonly type: 'connect' }
  /** One whole message came from the peer. */
  | { readonly type: 'peer-bytes'; readonly bytes: Uint8Array }
  /** The answer to `need-peer-key`: the key of that ID, or that there is none. */
  | { readonly type: 'peer-key'; readonly key: PublicKey | undefined }

/** Something to do, in order, before the next input. */
export type SessionEffect =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
  /** Find the long-term key of this ID, which is not authenticated and may hold any bytes. */
  | { readonly type: 'need-peer-key'; readonly id: Uint8Array }
  /** Refuse the message that asked for the key: the state is again the one before it came. */
  | { readonly type: 'refuse'; readonly error: Error }

export interface SessionStep {
  readonly state: SessionState
  readonly effects: readonly SessionEffect[]
}

/** Overwrites the secrets of a state that the next state does not hold as well. */
export function wipeLeftState(left: SessionState, next: SessionState): void {
  if ('secrets' in left && !('secrets' in next && next.secrets === left.secrets)) wipeBytes(left.secrets.masterKey)
  if ('ephemeral' in left && !('ephemeral' in next && next.ephemeral === left.ephemeral)) {
    left.ephemeral.privateKey.wipe()
  }
}
