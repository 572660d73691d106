import type { ErrorCode } from './contract/errors.ts'
import type { NodeEvent } from './contract/events.ts'
import type { Result } from './contract/methods.ts'
import { ParleyError } from './errors.ts'
import type { EventGap, EventStream, EventsOptions } from './event-stream.ts'
import type { Link } from './link.ts'

/** How a pairing goes: the events `pairing.state` of one. */
export type PairingProgress = Extract<NodeEvent, { readonly kind: 'pairing.state' }>

export interface PairingOptions {
  /** What to call the new contact; its own ID unless said. */
  readonly name?: string | undefined
  /** The contact whose keys and card give way to those of the other side, by name, ID or contact ID. */
  readonly renew?: string | undefined
  /** Called with every step, in order. What it throws is lost. */
  readonly onProgress?: ((progress: PairingProgress) => void) | undefined
  /** Ends the pairing in the daemon too. */
  readonly signal?: AbortSignal | undefined
}

export interface JoinOptions extends PairingOptions {
  /** Where the inviting daemon listens, for a code: a multiaddr, with `/p2p/` and its node ID or without. */
  readonly at?: string | undefined
}

/** A contact that this pairing has verified. */
export interface VerifiedPeer {
  readonly contact: string
  /** What the owner calls it. */
  readonly name: string
}

/** A pairing under way. It belongs to the daemon: one that nobody awaits goes on, until its ten minutes are over. */
export interface PairingRun {
  /** Its ID. */
  readonly pairing: string
  /**
   * Resolves once the contact is verified.
   *
   * @throws {ParleyError} `PAIRING_WRONG_CODE` `PAIRING_EXHAUSTED` `PAIRING_EXPIRED` `PAIRING_CANCELLED` `PAIRING_REFUSED` `PAIRING_FAILED` `TAMPERED` `SELF`
   * `NO_SUCH_INVITATION` `DIAL_FAILED` `WRONG_NODE` `CONTACT_EXISTS` `BLOCKED` and others of cards; `STOPPED` where the daemon was started anew; the signal's reason
   */
  done(): Promise<VerifiedPeer>
  /** Ends it; `done` then fails with `PAIRING_CANCELLED`. Nothing where it is over. */
  cancel(): Promise<void>
}

/** An open invitation: the code is told, or the link is passed on; either serves one peer, within ten minutes. */
export interface OpenInvitation extends PairingRun {
  /** `NN-word-word`. */
  readonly code: string
  readonly link: string
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/** Pairing: two people who share a word become verified contacts. */
export class Pairing {
  readonly #link: Link
  readonly #events: (options: EventsOptions) => EventStream

  constructor(link: Link, events: (options: EventsOptions) => EventStream) {
    this.#link = link
    this.#events = events
  }

  /** Opens an invitation. @throws {ParleyError} `PAIRING_RESTING` `PAIRING_LIMIT` `NOT_SUPPORTED` `NAME_INVALID` `NO_SUCH_PEER` */
  invite(options: PairingOptions = {}): Promise<OpenInvitation> {
    const params = wishesOf(options)
    return this.#begin(options, signal => this.#link.call('pairing.invite', params, signal))
  }

  /**
   * Joins an invitation by its link, or by its code and `at`. Resolves when the daemon has begun.
   *
   * @throws {ParleyError} `CODE_INVALID` `ADDRESS_INVALID` `INVALID_PARAMS` `PAIRING_RESTING` `PAIRING_LIMIT` `NAME_INVALID` `NO_SUCH_PEER`
   */
  join(linkOrCode: string, options: JoinOptions = {}): Promise<PairingRun> {
    const { at } = options
    const params = { ...wishesOf(options), ...(at === undefined ? { link: linkOrCode } : { code: linkOrCode, at }) }
    return this.#begin(options, signal => this.#link.call('pairing.accept', params, signal))
  }

  async #begin<T extends Result<'pairing.accept'>>(
    { signal, onProgress }: PairingOptions,
    begin: (signal: AbortSignal | undefined) => Promise<T>
  ): Promise<T & PairingRun> {
    // Listening first: nothing that the daemon tells of the pairing may be missed.
    const events = this.#events({})
    try {
      await events.ready()
      const begun = await begin(signal)
      const cancel = () => this.#cancel(begun.pairing)
      const done = follow(events, begun.pairing, onProgress ?? (() => undefined), signal, cancel)
      done.catch(() => undefined) // whoever awaits it hears of it
      return { ...begun, done: () => done, cancel }
    } catch (error) {
      await events.return()
      throw error
    }
  }

  async #cancel(pairing: string): Promise<void> {
    try {
      await this.#link.call('pairing.cancel', { pairing })
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'NO_SUCH_INVITATION') throw error
    }
  }
}

async function follow(
  events: EventStream,
  pairing: string,
  onProgress: (progress: PairingProgress) => void,
  signal: AbortSignal | undefined,
  cancel: () => Promise<void>
): Promise<VerifiedPeer> {
  const abort = () => {
    void events.return()
    cancel().catch(() => undefined) // a daemon that is away has nothing to end, or ends it in ten minutes
  }
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  try {
    for await (const event of events) {
      const verified = take(event, pairing, onProgress)
      if (verified !== undefined) return verified
    }
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  signal?.throwIfAborted()
  throw new ParleyError('CLOSED')
}

/** @throws {ParleyError} the pairing has failed */
function take(
  event: NodeEvent | EventGap,
  pairing: string,
  onProgress: (progress: PairingProgress) => void
): VerifiedPeer | undefined {
  if (event.kind === 'gap') throw new ParleyError('STOPPED', 'The daemon was started anew, or too much has happened.')
  if (event.kind !== 'pairing.state' || event.pairing !== pairing) return undefined
  try {
    onProgress(event)
  } catch {
    // What an app's own callback throws does not end a pairing.
  }
  const { state, code, detail, contact, name } = event
  if (state === 'failed') throw new ParleyError((code ?? 'PAIRING_FAILED') satisfies ErrorCode, detail)
  return state === 'verified' && contact !== undefined && name !== undefined ? { contact, name } : undefined
}

function wishesOf({ name, renew }: PairingOptions): { readonly name?: string; readonly renew?: string } {
  return { ...(name !== undefined && { name }), ...(renew !== undefined && { renew }) }
}
