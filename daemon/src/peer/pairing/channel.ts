import type { Clock, Timer } from '../../actor/clock.ts'
import { DaemonError } from '../../errors.ts'
import { FrameReader, frameParts } from '../../transport/framing.ts'
import type { ByteStream, NodeId, StreamEnd } from '../../transport/port.ts'
import { BYE_CODES, PairingFault, type PairingFaultCode } from './fault.ts'
import {
  decodePairingFrame,
  encodePairingFrame,
  OPEN_FRAME_BYTES_MAX,
  PAIR_FRAME_BYTES_MAX,
  type PairingFrame,
  type PairingFrameKind
} from './frames.ts'

/** An honest side sends at most two frames before it waits; together they are far below this. */
const WAITING_COUNT_MAX = 3
/** How long the other side has to end its direction too. */
const LINGER_MS = 5_000

type FrameOf<K extends PairingFrameKind> = Extract<PairingFrame, { readonly kind: K }>

/**
 * One stream of pairing: frames that come in turn, a deadline for the whole, and an end that is told once.
 *
 * At most three frames wait to be taken; a peer that sends more, or what is not awaited, is cut off.
 */
export class PairingChannel {
  readonly nodeId: NodeId
  readonly #stream: ByteStream
  readonly #reader: FrameReader
  readonly #clock: Clock
  #timer: Timer
  readonly #waiting: PairingFrame[] = []
  readonly #over = Promise.withResolvers<PairingFault>()
  #take: ((frame: PairingFrame) => void) | undefined
  #fault: PairingFault | undefined

  constructor(stream: ByteStream, clock: Clock, timeoutMs: number) {
    this.nodeId = stream.nodeId
    this.#stream = stream
    this.#clock = clock
    this.#reader = new FrameReader(frame => this.#framed(frame), PAIR_FRAME_BYTES_MAX)
    this.#timer = clock.timer(timeoutMs, () => this.fail('RUN_TIMED_OUT', 'the run took too long'))
    stream.read({
      data: chunk => this.#data(chunk),
      drained: () => undefined,
      ended: () => this.#lost({ kind: 'closed', reason: 'the other side ended the stream' }),
      closed: end => {
        this.#lost(end)
        this.#timer.cancel()
      }
    })
  }

  /** Why it is over, once it is. */
  get fault(): PairingFault | undefined {
    return this.#fault
  }

  /** From the next frame on a card may come. */
  expectCard(): void {
    this.#reader.limit(OPEN_FRAME_BYTES_MAX)
  }

  /** The peer has proven that it knows the secret: its connection is no stranger's any more. */
  proven(): void {
    this.#stream.proven()
  }

  /** The next frame, which must be of this kind. @throws {PairingFault} what ended the stream, or the peer's `bye` */
  async next<K extends PairingFrameKind>(...kinds: readonly K[]): Promise<FrameOf<K>> {
    const frame = await this.#nextFrame()
    if (frame.kind === 'bye') throw this.#told(frame.code)
    if (!(kinds as readonly PairingFrameKind[]).includes(frame.kind)) {
      throw this.fail('PROTOCOL_VIOLATION', `a frame ${frame.kind} out of turn`)
    }
    return frame as FrameOf<K>
  }

  send(frame: PairingFrame): void {
    if (this.#fault === undefined) this.#stream.write(frameParts([encodePairingFrame(frame)]))
  }

  /** Ends the stream in good order, after all that was sent. */
  end(): void {
    if (this.#fault !== undefined) return
    this.#settle(new PairingFault('PEER_CLOSED', 'the stream was ended here'))
    this.#endStream()
  }

  /** Ends the stream for a reason, which the other side is told where it may know it. Returns the fault, the first one where it is over. */
  fail(code: PairingFaultCode, message: string): PairingFault {
    if (this.#fault !== undefined) return this.#fault
    if (BYE_CODES.has(code)) {
      this.send({ kind: 'bye', code })
      this.#settle(new PairingFault(code, message))
      this.#endStream()
    } else {
      this.#settle(new PairingFault(code, message))
      this.#stream.reset(code)
    }
    return this.#fault as unknown as PairingFault
  }

  async #nextFrame(): Promise<PairingFrame> {
    const waiting = this.#waiting.shift()
    // What came before the other side ended the stream still counts; after our own end nothing does.
    if (waiting !== undefined && (this.#fault === undefined || this.#fault.code === 'PEER_CLOSED')) return waiting
    if (this.#fault !== undefined) throw this.#fault
    const taken = new Promise<PairingFrame>(resolve => {
      this.#take = resolve
    })
    const first = await Promise.race([taken, this.#over.promise])
    if (first instanceof PairingFault) throw first
    return first
  }

  #data(chunk: Uint8Array): void {
    if (this.#fault !== undefined) return
    try {
      this.#reader.push(chunk)
    } catch (error) {
      if (error instanceof PairingFault) this.fail(error.code, error.message)
      else if (error instanceof DaemonError) this.fail('PROTOCOL_VIOLATION', error.message)
      else throw error
    }
  }

  #framed(bytes: Uint8Array): void {
    const frame = decodePairingFrame(bytes)
    const take = this.#take
    this.#take = undefined
    if (take !== undefined) take(frame)
    else if (this.#waiting.length < WAITING_COUNT_MAX) this.#waiting.push(frame)
    else throw new PairingFault('PROTOCOL_VIOLATION', 'frames that nobody asked for')
  }

  #told(code: string): PairingFault {
    const told = BYE_CODES.has(code) ? (code as PairingFaultCode) : 'PEER_CLOSED'
    const fault = new PairingFault(told, 'the other side ended the run', { isTold: true })
    this.#settle(fault)
    this.#endStream()
    return fault
  }

  #lost(end: StreamEnd): void {
    if (this.#fault !== undefined) return
    this.#settle(new PairingFault('PEER_CLOSED', end.reason))
    if (end.kind === 'closed') this.#endStream()
  }

  /** Sends what is queued and ends our direction; the stream does not wait for ever for the other one. */
  #endStream(): void {
    this.#stream.end()
    this.#timer = this.#clock.timer(LINGER_MS, () => this.#stream.reset('the other side does not end the stream'))
  }

  #settle(fault: PairingFault): void {
    this.#fault ??= fault
    this.#timer.cancel()
    this.#reader.stop()
    this.#over.resolve(fault)
  }
}
