import type { Params } from './contract/methods.ts'
import type { VaultPeer, VaultResult } from './contract/vault.ts'
import { ParleyError } from './errors.ts'
import type { Link } from './link.ts'
import type { CallOptions } from './peers.ts'

/** What is given to the vault; text is taken as UTF-8. What comes in parts goes to the daemon as it comes. */
export type VaultInput = Uint8Array | string | AsyncIterable<Uint8Array>

export interface SealOptions extends CallOptions {
  /** What the cell is bound to besides: it must be given again to open it. At most 4 KiB. */
  readonly context?: Uint8Array | string | undefined
}

/** What was in a message, and who it is from. */
export interface VaultMessage {
  readonly content: Uint8Array
  readonly from: VaultPeer
}

type Use = Params<'vault.begin'>

/** What goes in one call: in base64 it still fits the smallest message of the socket that a daemon may be set to. */
const CALL_BYTES_MAX = 32 * 1_024
const PART_BYTES = 512 * 1_024
/** Of a message of the socket, for what stands around the bytes. */
const ROOM_BYTES = 16 * 1_024

/**
 * The daemon's keys, for programs that never hold them. Cells and messages are Themis's own, at most 64 MiB unless the daemon is set
 * otherwise. Nothing is released before it was authenticated. Several inputs of one client go one after the other.
 *
 * Each method may throw `TOO_LARGE`, `VAULT_BUSY`, `INVALID_PARAMS` for an empty input, and what the input throws; those with a peer `NO_SUCH_PEER`
 * `AMBIGUOUS_PEER` `BLOCKED` `UNTRUSTED`.
 */
export class Vault {
  readonly #link: Link
  #last: Promise<unknown> = Promise.resolve()

  constructor(link: Link) {
    this.#link = link
  }

  /** A Secure Cell (Seal) that programs of this owner, and nobody else, can open with this daemon. */
  async seal(content: VaultInput, options: SealOptions = {}): Promise<Uint8Array> {
    return (await this.#use({ operation: 'seal', ...contextOf(options) }, content, options)).output
  }

  /** @throws {ParleyError} `AUTHENTICATION_FAILED` `INVALID_MESSAGE` */
  async open(cell: VaultInput, options: SealOptions = {}): Promise<Uint8Array> {
    return (await this.#use({ operation: 'open', ...contextOf(options) }, cell, options)).output
  }

  /** A Secure Message (Sign) by the identity. @throws {ParleyError} `RESERVED_CONTENT` for what starts with `UEC` or `parley/` */
  async sign(content: VaultInput, options: CallOptions = {}): Promise<Uint8Array> {
    return (await this.#use({ operation: 'sign' }, content, options)).output
  }

  /** What a contact has signed. @throws {ParleyError} `AUTHENTICATION_FAILED` `INVALID_MESSAGE` */
  async verify(peer: string, signed: VaultInput, options: CallOptions = {}): Promise<VaultMessage> {
    return messageOf(await this.#use({ operation: 'verify', peer }, signed, options))
  }

  /** A Secure Message (Encrypt) for a contact. */
  async encrypt(peer: string, content: VaultInput, options: CallOptions = {}): Promise<Uint8Array> {
    return (await this.#use({ operation: 'encrypt', peer }, content, options)).output
  }

  /** What a contact has encrypted, for this identity's key or a former one. @throws {ParleyError} `AUTHENTICATION_FAILED` `INVALID_MESSAGE` */
  async decrypt(peer: string, message: VaultInput, options: CallOptions = {}): Promise<VaultMessage> {
    return messageOf(await this.#use({ operation: 'decrypt', peer }, message, options))
  }

  #use(use: Use, input: VaultInput, options: CallOptions): Promise<VaultResult> {
    const content = typeof input === 'string' ? new TextEncoder().encode(input) : input
    if (content instanceof Uint8Array && content.length <= CALL_BYTES_MAX) return this.#call(use, content, options)
    const done = this.#last.then(() => this.#run(use, content, options.signal))
    // Each caller gets its own outcome; the next input only waits for the end of this one.
    this.#last = done.catch(() => undefined)
    return done
  }

  #call({ operation, peer, context }: Use, content: Uint8Array, { signal }: CallOptions): Promise<VaultResult> {
    const link = this.#link
    switch (operation) {
      case 'seal':
      case 'open':
        return link.call(`vault.${operation}`, { content, ...(context !== undefined && { context }) }, signal)
      case 'sign':
        return link.call('vault.sign', { content }, signal)
      case 'verify':
      case 'encrypt':
      case 'decrypt':
        return link.call(`vault.${operation}`, { peer: peer ?? '', content }, signal)
    }
  }

  async #run(
    use: Use,
    input: Uint8Array | AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined
  ): Promise<VaultResult> {
    signal?.throwIfAborted()
    const { run } = await this.#link.call('vault.begin', use)
    try {
      const partBytesMax = Math.min(PART_BYTES, this.#link.hello.limits.requestBytesMax - ROOM_BYTES)
      for await (const part of partsOf(input, partBytesMax)) {
        await this.#link.call('vault.write', { run, part }, signal)
      }
      const { size, peer } = await this.#link.call('vault.finish', { run }, signal)
      return { output: await this.#read(run, size, signal), peer }
    } catch (error) {
      // Where the run is over already, or with its connection, there is nothing to cancel.
      await this.#link.call('vault.cancel', { run }).catch(() => undefined)
      throw error
    }
  }

  async #read(run: string, size: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const output = new Uint8Array(size)
    for (let at = 0; ; ) {
      const { part, last } = await this.#link.call('vault.read', { run }, signal)
      if (at + part.length > size) throw new ParleyError('INTERNAL', 'the daemon gave more than it said')
      output.set(part, at)
      at += part.length
      if (last) return output.subarray(0, at)
    }
  }
}

async function* partsOf(
  input: Uint8Array | AsyncIterable<Uint8Array>,
  partBytesMax: number
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = input instanceof Uint8Array ? [input] : input
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += partBytesMax) yield chunk.subarray(at, at + partBytesMax)
  }
}

function contextOf({ context }: SealOptions): { readonly context?: Uint8Array } {
  if (context === undefined) return {}
  return { context: typeof context === 'string' ? new TextEncoder().encode(context) : context }
}

function messageOf({ output, peer }: VaultResult): VaultMessage {
  if (peer === null) throw new ParleyError('INTERNAL', 'the daemon did not say who it is from')
  return { content: output, from: peer }
}
