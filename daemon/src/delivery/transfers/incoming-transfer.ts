import type { Actor, Behaviour } from '../../actor/actor.ts'
import type { Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { hexOf } from '../../identity/fields.ts'
import { PeerFault } from '../../peer/fault.ts'
import type { TransferApp, TransferChunks } from './api.ts'
import type { Chunk, TransferFrame } from './frames.ts'
import { isChunkStart, ReceivePosition } from './position.ts'
import { Transfer, type TransferDeps, type TransferTimerMail } from './transfer.ts'
import type { TransferLink } from './transfer-link.ts'

export type IncomingMail =
  | { readonly type: 'read-due' }
  | { readonly type: 'confirm-due' }
  | { readonly type: 'offer-overdue' }

interface Waiting<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: DaemonError) => void
  readonly timer: Timer
}

/** Of chunks in one answer: in base64 they still fit into a socket message. */
const READ_BYTES_MAX = 1024 * 1024

/** The receiver's end of one file: holds a window of chunks until the program has taken them, and no longer. */
export class IncomingTransfer extends Transfer<IncomingMail> implements Behaviour<IncomingMail | TransferTimerMail> {
  protected override readonly direction = 'in'
  readonly #place: ReceivePosition
  readonly #offerTimer: Timer
  /** What came and was not taken, from `#place.handed` on. */
  #chunks: Pick<Chunk, 'bytes' | 'hash'>[] = []
  #isAccepted = false
  /** The sender's hash of the whole file, once all has come. */
  #sha256: string | undefined
  /** The program has said that its file is whole; the sender may not have heard it. */
  #isWhole = false
  #reader: Waiting<TransferChunks> | undefined
  #finisher: Waiting<{ readonly confirmed: boolean }> | undefined

  constructor(actor: Actor<IncomingMail | TransferTimerMail>, deps: TransferDeps) {
    super(actor, deps)
    this.#place = new ReceivePosition(deps.subject.size, deps.limits.transferWindowBytes)
    this.#offerTimer = actor.after(deps.limits.transferOfferMs, { type: 'offer-overdue' })
  }

  receive(mail: IncomingMail | TransferTimerMail): void {
    if (mail.type === 'read-due') this.#answerReader()
    else if (mail.type === 'confirm-due') this.#answerFinisher(false)
    else if (mail.type === 'offer-overdue') this.cancel('EXPIRED', 'no program accepted the file')
    else this.timerDue(mail)
    this.report()
  }

  /** Whether it holds a window of memory. */
  get hasWindow(): boolean {
    return this.#isAccepted && this.app !== undefined
  }

  /** The sender has dialled: the first time, or anew. */
  linked(link: TransferLink): void {
    this.run(() => {
      this.setLink(link)
      link.owner = this
      this.stopForgetting()
      if (this.#isWhole) link.send({ done: {} })
      else if (this.app !== undefined && this.#isAccepted) {
        this.#place.goOn()
        this.#sendAccept()
      }
      this.report()
    })
  }

  /** A program takes the file from `position` on. */
  accepted(app: TransferApp, position: number, takeover: boolean): void {
    if (this.outcome?.type === 'cancelled') this.assertHas(app)
    if (!isChunkStart(position, this.subject.size)) {
      throw new DaemonError('INVALID_PARAMS', 'position: no chunk starts there')
    }
    if (this.app !== undefined && this.app.key !== app.key && !takeover) {
      throw new DaemonError('TRANSFER_BUSY', 'another program receives the file')
    }
    this.run(() => {
      this.attach(app)
      this.#offerTimer.cancel()
      this.failCalls(new DaemonError('TRANSFER_POSITION', 'accepted anew', { data: { position } }))
      this.#isAccepted = true
      this.#chunks = []
      this.#sha256 = undefined
      this.#place.begin(position)
      this.#sendAccept()
      this.report()
    })
  }

  /** Chunks as soon as there are some; none after `waitMs`. */
  async read(app: TransferApp, synced: number, waitMs: number): Promise<TransferChunks> {
    this.#assertReads(app)
    if (!this.#place.maySync(synced)) throw new DaemonError('INVALID_PARAMS', 'synced: that was not given')
    if (this.#reader !== undefined) throw new DaemonError('TOO_MANY_CALLS', 'a read waits already')
    const { promise, resolve, reject } = Promise.withResolvers<TransferChunks>()
    this.run(() => {
      if (synced !== this.#place.synced) {
        this.#place.sync(synced)
        this.link?.send({ synced: { round: this.#place.round, position: synced } })
      }
      this.#reader = { resolve, reject, timer: this.actor.after(waitMs, { type: 'read-due' }) }
      if (this.#hasNews) this.#answerReader()
    })
    return promise
  }

  /** The program has the whole file. Resolves when the sender knows, or after `waitMs` with `confirmed: false`. */
  async finish(app: TransferApp, sha256: string, waitMs: number): Promise<{ readonly confirmed: boolean }> {
    if (this.outcome?.type === 'done') return { confirmed: true }
    this.#assertReads(app)
    if (this.#place.handed !== this.subject.size || this.#sha256 === undefined) {
      throw new DaemonError('INVALID_PARAMS', 'the whole file was not given yet')
    }
    if (sha256 !== this.#sha256) throw new DaemonError('TRANSFER_CORRUPT', 'the sender has another hash of the file')
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly confirmed: boolean }>()
    this.run(() => {
      this.#isWhole = true
      this.#place.sync(this.subject.size)
      this.#finisher = { resolve, reject, timer: this.actor.after(waitMs, { type: 'confirm-due' }) }
      this.link?.send({ done: {} })
    })
    return promise
  }

  opened(_link: TransferLink): void {
    throw new TypeError('a stream that is taken over is open')
  }

  received(link: TransferLink, frame: TransferFrame): void {
    if ('chunk' in frame) this.#chunk(frame.chunk)
    else if ('finish' in frame) this.#finish(frame.finish.round, frame.finish.hash)
    else if ('done' in frame) this.#confirmed(link)
    else if ('cancel' in frame) {
      const { code, text } = frame.cancel
      this.finishAs({ type: 'cancelled', by: 'peer', code: code || 'CANCELLED', text })
    } else throw new PeerFault('PROTOCOL_VIOLATION', 'a frame that only a receiver sends')
    this.report()
  }

  drained(_link: TransferLink): void {
    // What a receiver sends is small and bounded by what its program does.
  }

  protected override get position(): number {
    return this.#place.synced
  }

  protected override get isAccepted(): boolean {
    return this.#isAccepted
  }

  protected override get isPeerAway(): boolean {
    return false
  }

  protected override failCalls(error: DaemonError): void {
    const reader = this.#reader
    const finisher = this.#finisher
    this.#reader = undefined
    this.#finisher = undefined
    for (const waiting of [reader, finisher]) {
      waiting?.timer.cancel()
      waiting?.reject(error)
    }
  }

  protected override appCame(): void {
    // Where it goes on is what it says when it accepts.
  }

  protected override appWent(): void {
    this.#chunks = []
    this.link?.send({ pause: {} })
    // What is on its way belongs to a round that is over.
    this.#place.begin(this.#place.synced)
  }

  protected override linkLost(): void {
    // The program goes on with what has come; a new stream goes on behind that.
  }

  get #hasNews(): boolean {
    return this.#chunks.length > 0 || (this.#sha256 !== undefined && this.#place.handed === this.subject.size)
  }

  #sendAccept(): void {
    const { round, next, synced, windowBytes } = this.#place
    this.link?.send({ accept: { round, position: next, synced, window: windowBytes } })
  }

  #chunk({ round, position, hash, bytes }: Chunk): void {
    if (!this.#isAccepted) throw new PeerFault('PROTOCOL_VIOLATION', 'a chunk of a file that nobody accepted')
    if (this.app === undefined || !this.#place.take(round, position, bytes.length)) return
    this.#chunks.push({ bytes, hash })
    this.#answerReaderSoon()
  }

  #finish(round: number, hash: Uint8Array): void {
    if (!this.#isAccepted || round > this.#place.round) throw new PeerFault('PROTOCOL_VIOLATION', 'an end too early')
    if (round < this.#place.round) return
    if (this.#place.next !== this.subject.size)
      throw new PeerFault('PROTOCOL_VIOLATION', 'an end before the last chunk')
    this.#sha256 = hexOf(hash)
    this.#answerReaderSoon()
  }

  #answerReaderSoon(): void {
    if (this.#reader !== undefined && this.#hasNews) this.#answerReader()
  }

  #answerReader(): void {
    const reader = this.#reader
    if (reader === undefined) return
    this.#reader = undefined
    reader.timer.cancel()
    const position = this.#place.handed
    const given: Pick<Chunk, 'bytes' | 'hash'>[] = []
    let bytes = 0
    for (let next = this.#chunks[0]; next !== undefined && bytes + next.bytes.length <= READ_BYTES_MAX; ) {
      bytes += next.bytes.length
      given.push(next)
      this.#chunks.shift()
      this.#place.hand()
      next = this.#chunks[0]
    }
    const isAll = this.#place.handed === this.subject.size
    reader.resolve({
      position,
      chunks: given.map(chunk => chunk.bytes),
      hashes: given.map(chunk => chunk.hash),
      sha256: isAll ? (this.#sha256 ?? null) : null
    })
  }

  #answerFinisher(confirmed: boolean): void {
    const finisher = this.#finisher
    this.#finisher = undefined
    finisher?.timer.cancel()
    finisher?.resolve({ confirmed })
  }

  #confirmed(link: TransferLink): void {
    if (!this.#isWhole) throw new PeerFault('PROTOCOL_VIOLATION', 'thanks for a file that is not whole')
    this.#answerFinisher(true)
    this.link = undefined
    this.deps.linger(link)
    this.finishAs({ type: 'done', sha256: this.#sha256 ?? '' })
  }

  #assertReads(app: TransferApp): void {
    this.assertHas(app)
    if (!this.#isAccepted) throw new DaemonError('INVALID_PARAMS', 'the transfer was not accepted')
  }
}
