import type { VaultOperation, VaultPeer, VaultResult } from '@parley/client-sdk/contract'
import { ProtocolError } from '@parley/protocol'
import { DaemonError } from '../errors.ts'
import { hexOf, joinBytes, lengthPrefixed, textBytes } from '../identity/fields.ts'
import type { KeyringHolder } from '../identity/keyring-holder.ts'
import type { RandomBytes } from '../random.ts'
import { perform, secretsOf, type VaultTask } from './perform.ts'
import type { VaultWorker } from './thread.ts'

/** A contact whose key may be used. */
export interface VaultContact {
  readonly contact: string
  readonly id: string
  readonly name: string
  /** Themis public key container. */
  readonly publicKeyBytes: Uint8Array
  readonly fingerprint: Uint8Array
}

export interface VaultDeps {
  readonly keys: Pick<KeyringHolder, 'current'>
  readonly randomBytes: RandomBytes
  readonly worker: VaultWorker
  /** The contact that a name means. @throws {DaemonError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` `BLOCKED` `UNTRUSTED` */
  contact(peer: string): VaultContact
}

/** What is to be done, but for the content. */
export interface VaultUse {
  readonly operation: VaultOperation
  /** Who asks: what one program seals, only a program of the same owner opens. */
  readonly caller: string
  /** Of `seal` and `open`. */
  readonly context?: Uint8Array | undefined
  /** Of `verify`, `encrypt` and `decrypt`. */
  readonly peer?: string | undefined
}

const CELL_LABEL = textBytes('parley/vault/v1\0')
/** How the daemon's own signatures begin: handshakes of Secure Session, and statements. */
const RESERVED = ['UEC', 'parley/'].map(textBytes)
/** What is done on the daemon's own thread: some two milliseconds of it. */
const INLINE_BYTES_MAX = 1_024 * 1_024
/** What a key costs besides, in bytes of content. */
const KEY_COST_BYTES = 64 * 1_024

/**
 * Uses the daemon's keys for programs that never hold them: Secure Cells (Seal) by the vault's key, Secure Messages by the identity key
 * and the keys of contacts. What goes in and out are exactly Themis's formats.
 */
export class Vault {
  readonly #deps: VaultDeps

  constructor(deps: VaultDeps) {
    this.#deps = deps
  }

  /** Whether the use is one that could be done now: its contact is there and trusted. @throws as {@link use} */
  assertUsable(use: VaultUse): void {
    this.#peerOf(use)
  }

  /**
   * @param content - 1 byte or more, taken over
   * @throws {DaemonError} `INVALID_PARAMS` empty, or without the peer it needs; `RESERVED_CONTENT`; `INVALID_MESSAGE` `AUTHENTICATION_FAILED`;
   * and those of the contact
   */
  async use(use: VaultUse, content: Uint8Array): Promise<VaultResult> {
    const peer = this.#peerOf(use)
    if (content.length === 0) throw new DaemonError('INVALID_PARAMS', 'the input is empty')
    const task = this.#taskOf(use, peer, content)
    try {
      return { output: await this.#perform(task), peer: peer === undefined ? null : describe(peer) }
    } catch (error) {
      throw asDaemonError(error)
    }
  }

  #perform(task: VaultTask): Uint8Array | Promise<Uint8Array> {
    const { randomBytes, worker } = this.#deps
    const keyCount = Math.max(1, secretsOf(task).length)
    const isShort = keyCount * (task.content.length + KEY_COST_BYTES) <= INLINE_BYTES_MAX + KEY_COST_BYTES
    return isShort ? perform(task, randomBytes) : worker.perform(owning(task))
  }

  #peerOf({ operation, peer, context }: VaultUse): VaultContact | undefined {
    const takesPeer = operation === 'verify' || operation === 'encrypt' || operation === 'decrypt'
    const takesContext = operation === 'seal' || operation === 'open'
    if (takesPeer !== (peer !== undefined) || (context !== undefined && !takesContext)) {
      throw new DaemonError('INVALID_PARAMS', 'peer: for verify, encrypt and decrypt; context: for seal and open')
    }
    return peer === undefined ? undefined : this.#deps.contact(peer)
  }

  #taskOf(
    { operation, caller, context = new Uint8Array(0) }: VaultUse,
    peer: VaultContact | undefined,
    content: Uint8Array
  ): VaultTask {
    const keyring = this.#deps.keys.current
    const publicKey = peer?.publicKeyBytes ?? new Uint8Array(0)
    switch (operation) {
      case 'seal':
      case 'open':
        return { operation, content, key: keyring.vaultSealKey(), context: cellContext(caller, context) }
      case 'sign':
        assertNotReserved(content)
        return { operation, content, privateKey: keyring.identityKey().toBytes() }
      case 'verify':
        return { operation, content, publicKey }
      case 'encrypt':
        return { operation, content, publicKey, privateKey: keyring.identityKey().toBytes() }
      case 'decrypt': {
        const former = keyring.formerIdentities().map(({ privateKey }) => privateKey.toBytes())
        return { operation, content, publicKey, privateKeys: [keyring.identityKey().toBytes(), ...former] }
      }
    }
  }
}

/** The context of a cell: `"parley/vault/v1\0" ‖ lp(caller) ‖ context`. */
export function cellContext(caller: string, context: Uint8Array): Uint8Array {
  return joinBytes(CELL_LABEL, lengthPrefixed(textBytes(caller)), context)
}

/** Two signatures on chosen bytes would make a whole Secure Session in the daemon's name. */
function assertNotReserved(content: Uint8Array): void {
  if (RESERVED.some(start => Buffer.compare(content.subarray(0, start.length), start) === 0)) {
    throw new DaemonError('RESERVED_CONTENT', 'the content starts like what the daemon signs for itself')
  }
}

/** The task with a content that can move to a thread: all of a buffer that nobody else looks at. */
function owning(task: VaultTask): VaultTask {
  const { content } = task
  const { buffer } = content
  const isOwn = buffer instanceof ArrayBuffer && !(content instanceof Buffer) && buffer.byteLength < 2 * content.length
  return isOwn ? task : { ...task, content: Uint8Array.from(content) }
}

function describe({ contact, id, name, fingerprint }: VaultContact): VaultPeer {
  return { contact, id, name, fingerprint: hexOf(fingerprint) }
}

/** A protocol error's text is ours and says nothing of the input; which key was tried it does not say. */
function asDaemonError(error: unknown): unknown {
  if (!(error instanceof ProtocolError)) return error
  if (error.code === 'AUTHENTICATION_FAILED') {
    return new DaemonError('AUTHENTICATION_FAILED', 'the input does not open, or its signature does not hold')
  }
  return new DaemonError('INVALID_MESSAGE', 'the input is not of that format', { cause: error })
}
