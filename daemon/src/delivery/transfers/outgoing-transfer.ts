import type { Actor, Behaviour, Exit } from '../../actor/actor.ts'
import type { Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { BackOff } from '../../peer/back-off.ts'
import { PeerFault } from '../../peer/fault.ts'
import type { RandomBytes } from '../../random.ts'
import type { ByteStream } from '../../transport/port.ts'
import type { TransferApp } from './api.ts'
import type { Cancel, TransferFrame } from './frames.ts'
import { chunkBytesAt, HASH_BYTES, isChunkStart, SendPosition } from './position.ts'
import { Transfer, type TransferDeps, type TransferTimerMail } from './transfer.ts'
import type { TransferLink, TransferLinkOwner } from './transfer-link.ts'

export interface OutgoingDeps extends TransferDeps {
  readonly randomBytes: RandomBytes
  /** Whether one more handshake with the contact fits into its budget; counts it. */
  mayHandshake(): boolean
  /** Dials the contact. @throws {DaemonError} as `dialRound` */
  dial(signal: AbortSignal): Promise<ByteStream>
  makeLink(stream: ByteStream, owner: TransferLinkOwner): TransferLink
}

export type OutgoingMail =
  | { readonly type: 'dial-due' }
  | { readonly type: 'dialled'; readonly stream: ByteStream }
  | { readonly type: 'dial-failed'; readonly error: unknown }

interface PendingWrite {
  /** Of the first chunk that is not sent. */
  position: number
  sentCount: number
  readonly chunks: readonly Uint8Array[]
  readonly hashes: readonly Uint8Array[]
  readonly resolve: (result: { readonly position: number; readonly synced: number }) => void
  readonly reject: (error: DaemonError) => void
}

interface Finishing {
  readonly sha256: string
  /** The round in which the peer was told; 0 for none. */
  toldRound: number
  readonly resolve: () => void
  readonly reject: (error: DaemonError) => void
}

/** Calls to write that wait at once. */
const WRITE_COUNT_MAX = 16

/** The sender's end of one file: dials while its program is there, and passes on what it writes as the receiver has room. */
export class OutgoingTransfer extends Transfer<OutgoingMail> implements Behaviour<OutgoingMail | TransferTimerMail> {
  protected override readonly direction = 'out'
  readonly #deps: OutgoingDeps
  readonly #backOff: BackOff
  readonly #stopping = new AbortController()
  #place: SendPosition
  #wasAccepted = false
  #writes: PendingWrite[] = []
  #finishing: Finishing | undefined
  #dialTimer: Timer | undefined
  #isDialling = false

  constructor(actor: Actor<OutgoingMail | TransferTimerMail>, deps: OutgoingDeps) {
    super(actor, deps)
    this.#deps = deps
    this.#place = new SendPosition(deps.subject.size)
    this.#backOff = new BackOff(deps.limits, deps.randomBytes)
  }

  receive(mail: OutgoingMail | TransferTimerMail): void {
    switch (mail.type) {
      case 'dial-due':
        this.#dialTimer = undefined
        this.#dial()
        break
      case 'dialled':
        this.#dialled(mail.stream)
        break
      case 'dial-failed':
        this.#isDialling = false
        this.lastEnd = endCodeOf(mail.error)
        this.#dialLater()
        break
      default:
        this.timerDue(mail)
    }
    this.report()
  }

  override stopped(exit: Exit): void {
    this.#stopping.abort(new DaemonError('STOPPED', 'the transfer has stopped'))
    super.stopped(exit)
  }

  /** A program offers the file, for the first time or again. */
  offered(app: TransferApp): void {
    this.run(() => {
      this.attach(app)
      this.report()
    })
  }

  /** The contact is known to be there: what was learned by failing is void. */
  peerIsUp(): void {
    this.run(() => {
      this.#backOff.clear()
      if (this.#dialTimer === undefined) return
      this.#dialTimer.cancel()
      this.#dialTimer = undefined
      this.#dial()
    })
  }

  /** Resolves when the chunks are on the stream; with none, when the receiver has accepted. */
  write(
    app: TransferApp,
    position: number,
    chunks: readonly Uint8Array[],
    hashes: readonly Uint8Array[]
  ): Promise<{ readonly position: number; readonly synced: number }> {
    this.assertHas(app)
    this.#assertChunks(position, chunks, hashes)
    if (this.#writes.length >= WRITE_COUNT_MAX) throw new DaemonError('TOO_MANY_CALLS', 'too many writes wait')
    const { promise, resolve, reject } = Promise.withResolvers<{ position: number; synced: number }>()
    this.run(() => {
      this.#writes.push({ position, sentCount: 0, chunks, hashes, resolve, reject })
      this.#pump()
    })
    return promise
  }

  /** Resolves when the receiving program has the whole file, and its hash is this one. */
  async finish(app: TransferApp, sha256: string): Promise<void> {
    if (this.outcome?.type === 'done') return
    this.assertHas(app)
    if (this.#finishing !== undefined) throw new DaemonError('TOO_MANY_CALLS', 'the transfer is being finished')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.run(() => {
      this.#finishing = { sha256, toldRound: 0, resolve, reject }
      this.#pump()
    })
    return promise
  }

  opened(link: TransferLink): void {
    const { id, name, size } = this.subject
    this.#backOff.clear()
    this.stopForgetting()
    this.#place = new SendPosition(size)
    link.send({ offer: { id: Buffer.from(id, 'hex'), name, size } })
    this.report()
  }

  received(_link: TransferLink, frame: TransferFrame): void {
    if ('accept' in frame) {
      this.#place.accepted(frame.accept)
      this.#wasAccepted = true
      this.#pump()
    } else if ('synced' in frame) {
      this.#place.syncedTo(frame.synced.round, frame.synced.position)
      this.#pump()
    } else if ('pause' in frame) this.#place.paused()
    else if ('done' in frame) this.#done()
    else if ('cancel' in frame) this.#cancelled(frame.cancel)
    else throw new PeerFault('PROTOCOL_VIOLATION', 'a frame that only a sender sends')
    this.report()
  }

  drained(_link: TransferLink): void {
    this.#pump()
  }

  protected override get position(): number {
    return this.outcome?.type === 'done' ? this.subject.size : this.#place.synced
  }

  protected override get isAccepted(): boolean {
    return this.#wasAccepted
  }

  protected override get isPeerAway(): boolean {
    return !this.#place.isAccepted
  }

  protected override failCalls(error: DaemonError): void {
    const writes = this.#writes
    const finishing = this.#finishing
    this.#writes = []
    this.#finishing = undefined
    for (const { reject } of writes) reject(error)
    finishing?.reject(error)
  }

  protected override appCame(): void {
    if (this.link === undefined && !this.#isDialling && this.#dialTimer === undefined) this.#dial()
  }

  protected override appWent(): void {
    this.#dialTimer?.cancel()
    this.#dialTimer = undefined
    const { link } = this
    this.link = undefined
    // That it was closed from here tells the program that comes next nothing of the peer.
    this.lastEnd = undefined
    link?.close('STOPPING', 'the program has left')
    this.#place.paused()
  }

  protected override linkLost(): void {
    this.#place.paused()
    if (this.#finishing !== undefined) this.#finishing.toldRound = 0
    if (this.app !== undefined && this.outcome === undefined) this.#dialLater()
  }

  #dial(): void {
    if (this.app === undefined || this.link !== undefined || this.#isDialling || this.outcome !== undefined) return
    if (this.#deps.contact() === undefined) return
    if (!this.#deps.mayHandshake()) {
      this.#dialLater()
      return
    }
    this.#isDialling = true
    this.actor.pipe<ByteStream>(
      this.#deps.dial(this.#stopping.signal),
      stream => ({ type: 'dialled', stream }),
      error => ({ type: 'dial-failed', error })
    )
  }

  #dialLater(): void {
    if (this.app === undefined || this.#dialTimer !== undefined || this.#isDialling) return
    const delayMs = Math.max(this.deps.limits.dialIntervalMs, this.#backOff.nextMs())
    this.#dialTimer = this.actor.after(delayMs, { type: 'dial-due' })
  }

  #dialled(stream: ByteStream): void {
    this.#isDialling = false
    if (this.app === undefined || this.link !== undefined || this.outcome !== undefined)
      stream.reset('not wanted any more')
    else this.setLink(this.#deps.makeLink(stream, this))
  }

  /** Sends what may be sent, and settles the calls that it settles. */
  #pump(): void {
    const { link } = this
    if (link === undefined || !link.isOpen || !this.#place.isAccepted) return
    while (this.#writes.length > 0 && this.#serve(link, this.#writes[0] as PendingWrite)) this.#writes.shift()
    if (this.#writes.length === 0) this.#tellEnd(link)
  }

  /** Whether the call is settled. */
  #serve(link: TransferLink, write: PendingWrite): boolean {
    const place = this.#place
    for (;;) {
      if (write.position !== place.next) {
        write.reject(elsewhere(place.next))
        return true
      }
      const bytes = write.chunks[write.sentCount]
      const hash = write.hashes[write.sentCount]
      if (bytes === undefined || hash === undefined) {
        write.resolve({ position: place.next, synced: place.synced })
        return true
      }
      if (!place.hasRoom || !link.isWritable) return false
      link.send({ chunk: { round: place.round, position: place.next, hash, bytes } })
      place.sent()
      write.sentCount++
      write.position = place.next
    }
  }

  #tellEnd(link: TransferLink): void {
    const finishing = this.#finishing
    const place = this.#place
    if (finishing === undefined) return
    if (place.next !== this.subject.size) {
      this.#finishing = undefined
      finishing.reject(elsewhere(place.next))
    } else if (finishing.toldRound !== place.round) {
      finishing.toldRound = place.round
      link.send({ finish: { round: place.round, hash: Buffer.from(finishing.sha256, 'hex') } })
    }
  }

  #done(): void {
    const finishing = this.#finishing
    // Said without being asked where the receiver had finished before this side could hear of it.
    const sha256 = finishing?.sha256 ?? ''
    this.#finishing = undefined
    this.finishAs({ type: 'done', sha256 }, { done: {} })
    finishing?.resolve()
    const ahead = new DaemonError('TRANSFER_POSITION', 'the receiver has the whole file', {
      data: { position: this.subject.size }
    })
    this.failCalls(ahead)
  }

  #cancelled({ code, text }: Cancel): void {
    this.finishAs({ type: 'cancelled', by: 'peer', code: code || 'CANCELLED', text })
  }

  #assertChunks(position: number, chunks: readonly Uint8Array[], hashes: readonly Uint8Array[]): void {
    const { size } = this.subject
    if (!isChunkStart(position, size)) throw new DaemonError('INVALID_PARAMS', 'position: no chunk starts there')
    if (hashes.length !== chunks.length || hashes.some(hash => hash.length !== HASH_BYTES)) {
      throw new DaemonError('INVALID_PARAMS', 'hashes: must be 32 bytes for each chunk')
    }
    let at = position
    for (const chunk of chunks) {
      if (at >= size || chunk.length !== chunkBytesAt(at, size)) {
        throw new DaemonError('INVALID_PARAMS', 'chunks: all have 262144 bytes but the last one of the file')
      }
      at += chunk.length
    }
  }
}

function elsewhere(position: number): DaemonError {
  return new DaemonError('TRANSFER_POSITION', 'the receiver goes on at another position', { data: { position } })
}

function endCodeOf(error: unknown): 'DIAL_FAILED' | 'WRONG_NODE' | 'NOT_ACCEPTED' {
  const code = error instanceof DaemonError ? error.code : undefined
  return code === 'WRONG_NODE' || code === 'NOT_ACCEPTED' ? code : 'DIAL_FAILED'
}
