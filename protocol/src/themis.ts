// The names, arguments and errors of wasm-themis 0.15.0 over the cores of this package.

import { SecureCellContextImprint, SecureCellSeal, SecureCellTokenProtect } from './themis/cell.ts'
import { SecureComparator } from './themis/comparator.ts'
import { ThemisError, ThemisErrorCode } from './themis/errors.ts'
import { initialize, initialized } from './themis/initialize.ts'
import { KeyPair, PrivateKey, PublicKey, SymmetricKey } from './themis/keys.ts'
import { SecureMessage, SecureMessageSign, SecureMessageVerify } from './themis/message.ts'
import { SessionDropIn } from './themis/session.ts'
import { TransportSessionDropIn } from './themis/transport.ts'

export type { SecureCellSealWithPassphrase, TokenProtectResult } from './themis/cell.ts'
export type { InitializedPromise } from './themis/initialize.ts'
export type { KeyCallback } from './themis/session.ts'
export type { SecureSessionTransport } from './themis/transport.ts'

const nowSeconds = (): number => Math.floor(Date.now() / 1_000)

/** A session with a peer that knows our public key, and whose public key we know. Buffers in and out. */
export class SecureSession extends SessionDropIn {
  protected override nowSeconds(): number {
    return nowSeconds()
  }
}

/** A {@link SecureSession} that sends and receives by itself, over two callbacks. */
export class TransportSession extends TransportSessionDropIn {
  protected override nowSeconds(): number {
    return nowSeconds()
  }
}

export {
  initialize,
  initialized,
  KeyPair,
  PrivateKey,
  PublicKey,
  SecureCellContextImprint,
  SecureCellSeal,
  SecureCellTokenProtect,
  SecureComparator,
  SecureMessage,
  SecureMessageSign,
  SecureMessageVerify,
  SymmetricKey,
  ThemisError,
  ThemisErrorCode
}

const everything: {
  readonly KeyPair: typeof KeyPair
  readonly PrivateKey: typeof PrivateKey
  readonly PublicKey: typeof PublicKey
  readonly SecureCellContextImprint: typeof SecureCellContextImprint
  readonly SecureCellSeal: typeof SecureCellSeal
  readonly SecureCellTokenProtect: typeof SecureCellTokenProtect
  readonly SecureComparator: typeof SecureComparator
  readonly SecureMessage: typeof SecureMessage
  readonly SecureMessageSign: typeof SecureMessageSign
  readonly SecureMessageVerify: typeof SecureMessageVerify
  readonly SecureSession: typeof SecureSession
  readonly SymmetricKey: typeof SymmetricKey
  readonly ThemisError: typeof ThemisError
  readonly ThemisErrorCode: typeof ThemisErrorCode
  readonly TransportSession: typeof TransportSession
  readonly initialize: typeof initialize
  readonly initialized: typeof initialized
} = {
  KeyPair,
  PrivateKey,
  PublicKey,
  SecureCellContextImprint,
  SecureCellSeal,
  SecureCellTokenProtect,
  SecureComparator,
  SecureMessage,
  SecureMessageSign,
  SecureMessageVerify,
  SecureSession,
  SymmetricKey,
  ThemisError,
  ThemisErrorCode,
  TransportSession,
  initialize,
  initialized
}

// biome-ignore lint/style/noDefaultExport: programs that import all of wasm-themis as one object
export default everything
