import { drawBytes, type RandomBytes, readU32le, wipeBytes } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import { type AesKey, importAesKey } from '../soter/aead.ts'
import { type NewDataMessage, openDataMessage, sealDataMessage, sealDataMessageParts } from './data-message.ts'
import { deriveDataKeys } from './key-schedule.ts'
import { assertInWindow, assertNext, type ReceivePolicy } from './receive-policy.ts'
import type { SessionRole, SessionSecrets } from './state.ts'

/** A message out of its wrapping. */
export interface UnwrappedMessage {
  /** The receiver's own. */
  readonly message: Uint8Array
  /** Unix time in seconds by the sender's clock; at most 2^53 - 1. */
  readonly sentAtSeconds: number
}

/** Messages that went each way since the session was made or loaded. */
export interface SessionCounts {
  readonly wrapped: number
  readonly unwrapped: number
}

/** Where both directions stand, as saved states hold it. */
export interface SequenceNumbers {
  /** The number of the next message out. */
  readonly outgoing: number
  /** Policy `themis`: the number of the last message in, at first the derived one. `ordered`: of the next. */
  readonly incoming: number
}

export interface DataChannelOptions {
  readonly role: SessionRole
  readonly secrets: SessionSecrets
  readonly receivePolicy: ReceivePolicy
  readonly randomBytes: RandomBytes
  /** Instead of the derived first numbers. */
  readonly sequenceNumbers?: SequenceNumbers | undefined
}

/** The keys and counters of an established session's two directions. Owned by one `SecureSession`. */
export class DataChannel {
  /** The session ID as a number, as it is on the wire. */
  readonly sessionId: number
  readonly #receivePolicy: ReceivePolicy
  readonly #randomBytes: RandomBytes
  readonly #sendKey: AesKey
  readonly #receiveKey: AesKey
  #outgoing: number
  #incoming: number
  #wrapped = 0
  #unwrapped = 0

  constructor({ role, secrets, receivePolicy, randomBytes, sequenceNumbers }: DataChannelOptions) {
    const keys = deriveDataKeys(secrets)
    const isClient = role === 'client'
    this.sessionId = readU32le(secrets.sessionId, 0)
    this.#receivePolicy = receivePolicy
    this.#randomBytes = randomBytes
    this.#sendKey = importAesKey(isClient ? keys.clientKey : keys.serverKey)
    this.#receiveKey = importAesKey(isClient ? keys.serverKey : keys.clientKey)
    this.#outgoing = sequenceNumbers?.outgoing ?? (isClient ? keys.clientSequence : keys.serverSequence)
    this.#incoming = sequenceNumbers?.incoming ?? (isClient ? keys.serverSequence : keys.clientSequence)
    wipeBytes(keys.clientKey)
    wipeBytes(keys.serverKey)
  }

  get counts(): SessionCounts {
    return { wrapped: this.#wrapped, unwrapped: this.#unwrapped }
  }

  get sequenceNumbers(): SequenceNumbers {
    return { outgoing: this.#outgoing, incoming: this.#incoming }
  }

  /** See `SecureSession.wrap`. */
  wrap(message: Uint8Array, nowSeconds: number): Uint8Array {
    const wrapped = sealDataMessage(this.#sendKey, this.#next(nowSeconds), message)
    this.#wrote()
    return wrapped
  }

  /** See `SecureSession.wrapParts`. */
  wrapParts(parts: readonly Uint8Array[], nowSeconds: number): Uint8Array[] {
    const wrapped = sealDataMessageParts(this.#sendKey, this.#next(nowSeconds), parts)
    this.#wrote()
    return wrapped
  }

  /** See `SecureSession.unwrap`. */
  unwrap(bytes: Uint8Array, nowSeconds: number): UnwrappedMessage {
    assertUnixSeconds(nowSeconds)
    const { sessionId, sequence, sentAtSeconds, message } = openDataMessage(this.#receiveKey, bytes)
    if (sessionId !== this.sessionId) throw new ProtocolError('INVALID_MESSAGE', 'ID of another session')
    if (this.#receivePolicy === 'ordered') {
      assertNext(this.#incoming, sequence)
      this.#incoming = (sequence + 1) >>> 0
    } else {
      assertInWindow(this.#incoming, sequence, sentAtSeconds, nowSeconds)
      this.#incoming = sequence
    }
    this.#unwrapped++
    return { message, sentAtSeconds }
  }

  #next(nowSeconds: number): NewDataMessage {
    assertUnixSeconds(nowSeconds)
    return {
      sessionId: this.sessionId,
      sequence: this.#outgoing,
      sentAtSeconds: nowSeconds,
      iv: drawBytes(this.#randomBytes, 16)
    }
  }

  #wrote(): void {
    this.#outgoing = (this.#outgoing + 1) >>> 0
    this.#wrapped++
  }
}

function assertUnixSeconds(nowSeconds: number): void {
  if (!Number.isSafeInteger(nowSeconds) || nowSeconds < 0) throw new RangeError('the time is not in whole Unix seconds')
}
