import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'
import type { Result } from './contract/methods.ts'
import type { TransferInfo } from './contract/types.ts'
import type { Link } from './link.ts'
import type { CallOptions } from './peers.ts'
import { FileReceiver, type ReceivedFile, type ReceiveFileOptions, type TransferSink } from './transfer-receive.ts'
import { isPassing, untilBack } from './transfer-retry.ts'
import { FileSender, type SendFileOptions, type SentFile, type TransferSource } from './transfer-send.ts'

export interface ListTransfersOptions extends CallOptions {
  /** The revision of an earlier answer: waits for something else than that, at most `waitMs`. */
  readonly after?: string | undefined
  readonly waitMs?: number | undefined
}

/** A new ID for a file: 32 hexadecimal characters, at random. */
export function newTransferId(): string {
  return randomBytes(16).toString('hex')
}

/** A file that a contact offers. */
export class IncomingFile {
  readonly info: TransferInfo
  readonly #receive: (sink: TransferSink, options: ReceiveFileOptions) => Promise<ReceivedFile>
  readonly #refuse: (reason: string) => Promise<void>

  /** @internal */
  constructor(
    info: TransferInfo,
    receive: (sink: TransferSink, options: ReceiveFileOptions) => Promise<ReceivedFile>,
    refuse: (reason: string) => Promise<void>
  ) {
    this.info = info
    this.#receive = receive
    this.#refuse = refuse
  }

  /**
   * Takes the file into `sink`; resolves when it is whole there. Cuts and restarts on either side only delay it.
   *
   * @throws {ParleyError} `TRANSFER_CANCELLED` `TRANSFER_CORRUPT` `TRANSFER_BUSY` `TRANSFER_LIMIT` `NO_SUCH_TRANSFER` where the offer is gone; what the sink throws; the signal's reason
   */
  accept(sink: TransferSink, options: ReceiveFileOptions = {}): Promise<ReceivedFile> {
    return this.#receive(sink, options)
  }

  /** Ends the transfer for good; the sender is told the reason, of at most 200 characters. */
  refuse(reason = ''): Promise<void> {
    return this.#refuse(reason)
  }
}

/** How long one look at the list waits in the daemon. */
const LIST_WAIT_MS = 30_000

/** Files to and from contacts, of any size. */
export class Transfers {
  readonly #link: Link
  readonly #clock: Clock
  /** IDs of files that this client receives. */
  readonly #receiving = new Set<string>()

  constructor(link: Link, clock: Clock) {
    this.#link = link
    this.#clock = clock
  }

  /**
   * Sends a file. Resolves when the peer's program has all of it and its hash is right. While the peer, its program or a daemon is away it waits,
   * and goes on where the receiver is.
   *
   * @throws {ParleyError} `NO_SUCH_PEER` `AMBIGUOUS_PEER` `BLOCKED` `UNTRUSTED` `TRANSFER_CANCELLED` `TRANSFER_CONFLICT` `TRANSFER_LIMIT` `TAKEN_OVER`;
   * what `source.read` throws; the signal's reason
   */
  send(peer: string, source: TransferSource, options: SendFileOptions = {}): Promise<SentFile> {
    const id = options.id ?? newTransferId()
    return new FileSender(this.#link, this.#clock, peer, source, { ...options, id }).run()
  }

  /** Files that are offered to this host and that no program has, each once, as they come. Ends when the signal is aborted. */
  async *offers(options: CallOptions = {}): AsyncGenerator<IncomingFile, void, undefined> {
    const { signal } = options
    const seen = new Set<string>()
    let revision: string | undefined
    while (signal?.aborted !== true) {
      try {
        const page = await this.list({ after: revision, waitMs: LIST_WAIT_MS, signal })
        revision = page.revision
        const there = new Map(page.transfers.map(info => [info.transfer, info]))
        for (const id of seen) if (!there.has(id)) seen.delete(id)
        for (const info of there.values()) {
          const { transfer, direction, waitsFor } = info
          if (direction !== 'in' || waitsFor !== 'app' || seen.has(transfer) || this.#receiving.has(transfer)) continue
          seen.add(transfer)
          yield this.#incoming(info)
        }
      } catch (error) {
        if (signal?.aborted) return
        if (!isPassing(error)) throw error
        await untilBack(this.#link, this.#clock, signal).catch(reason => {
          if (!signal?.aborted) throw reason
        })
      }
    }
  }

  /** All files on their way that this daemon knows of, and a revision that tells whether something is different. */
  list(options: ListTransfersOptions = {}): Promise<Result<'transfers.list'>> {
    const { after, waitMs, signal } = options
    const params = { ...(after !== undefined && { after }), ...(waitMs !== undefined && { waitMs }) }
    return this.#link.call('transfers.list', params, signal)
  }

  /** Ends a transfer for good, whichever way it goes. @throws {ParleyError} `NO_SUCH_TRANSFER` */
  async cancel(transfer: string, options: CallOptions & { readonly reason?: string | undefined } = {}): Promise<void> {
    const { reason, signal } = options
    await this.#link.call('transfers.cancel', { transfer, ...(reason && { reason }) }, signal)
  }

  #incoming(info: TransferInfo): IncomingFile {
    const { transfer } = info
    const receive = async (sink: TransferSink, options: ReceiveFileOptions) => {
      this.#receiving.add(transfer)
      try {
        return await new FileReceiver(this.#link, this.#clock, info, sink, options).run()
      } finally {
        this.#receiving.delete(transfer)
      }
    }
    const refuse = async (reason: string) => {
      await this.#link.call('transfers.cancel', { transfer, code: 'REFUSED', ...(reason && { reason }) })
    }
    return new IncomingFile(info, receive, refuse)
  }
}
