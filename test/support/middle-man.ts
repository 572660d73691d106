import { PAIR_PROTOCOL } from '../../daemon/src/peer/pairing/frames.ts'
import { FrameReader, frameParts } from '../../daemon/src/transport/framing.ts'
import type { ByteStream, DialRequest, NodeId, StreamReader, Transport } from '../../daemon/src/transport/port.ts'

/** Who sent a frame. */
export type Speaker = 'joiner' | 'inviter'

/** Frames in the order in which an honest side sends them. */
export const POSITIONS: Readonly<Record<Speaker, readonly string[]>> = {
  joiner: ['hello', 'message 1', 'message 3', 'open', 'confirm', 'done'],
  inviter: ['hello', 'message 2', 'message 4', 'open', 'confirm', 'done']
}

/** What passed from one side, as it was sent and as it went on. */
export interface Passed {
  readonly from: Speaker
  readonly index: number
  readonly sent: Uint8Array
  readonly forwarded: readonly Uint8Array[]
}

/**
 * What a man in the middle does with the frame number `index` of a side: sends on others in its place, to the other side or back, or hangs
 * up on both.
 */
export type Meddle = (
  from: Speaker,
  index: number,
  frame: Uint8Array
) => readonly Uint8Array[] | { readonly back: readonly Uint8Array[] } | 'hang-up'

const FRAME_BYTES_MAX = 2 ** 20

/** Cuts a stream into frames, both ways. */
class Leg {
  readonly #stream: ByteStream
  #isOver = false

  constructor(stream: ByteStream, onFrame: (frame: Uint8Array) => void, onOver: () => void) {
    this.#stream = stream
    const reader = new FrameReader(frame => onFrame(frame.slice()), FRAME_BYTES_MAX)
    const over = () => {
      if (this.#isOver) return
      this.#isOver = true
      onOver()
    }
    stream.read({ data: chunk => reader.push(chunk), drained: () => {}, ended: over, closed: over })
  }

  send(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#stream.write(frameParts([frame]))
  }

  hangUp(isGentle = false): void {
    if (isGentle) this.#stream.end()
    else this.#stream.reset('hung up')
  }
}

/** A node between two daemons, with keys of its own: the joiner dials it, and it dials the inviter. */
export class MiddleMan {
  readonly transport: Transport
  readonly passed: Passed[] = []
  /** What came to each side, in order. */
  readonly reached: Readonly<Record<Speaker, Uint8Array[]>> = { joiner: [], inviter: [] }
  #target: Omit<DialRequest, 'protocol' | 'signal'> | undefined
  #meddle: Meddle = (_from, _index, frame) => [frame]

  private constructor(transport: Transport) {
    this.transport = transport
  }

  static async start(transport: Transport): Promise<MiddleMan> {
    const man = new MiddleMan(transport)
    await transport.start({ admitsNode: () => true, refused: () => {} })
    await transport.handle(PAIR_PROTOCOL, stream => void man.#between(stream))
    return man
  }

  get address(): string {
    return this.transport.listenAddresses()[0] ?? ''
  }

  /** What he does from now on, and where he carries it. */
  attack(target: { readonly address: string; readonly nodeId: NodeId }, meddle: Meddle): void {
    this.passed.length = 0
    for (const frames of Object.values(this.reached)) frames.length = 0
    this.#target = target
    this.#meddle = meddle
  }

  /** Dials a daemon as its joiner, with no one behind: `answer` gives what is said after each of its frames. */
  async join(
    target: { readonly address: string; readonly nodeId: NodeId },
    first: readonly Uint8Array[],
    answer: (index: number, frame: Uint8Array) => readonly Uint8Array[]
  ): Promise<void> {
    const stream = await this.transport.dial({ ...target, protocol: PAIR_PROTOCOL, signal: AbortSignal.timeout(5_000) })
    const over = Promise.withResolvers<void>()
    let index = 0
    const leg: Leg = new Leg(stream, frame => leg.send(answer(index++, frame)), over.resolve)
    leg.send(first)
    await over.promise
    leg.hangUp(true)
  }

  async #between(stream: ByteStream): Promise<void> {
    const target = this.#target
    if (target === undefined) {
      stream.reset('nobody there')
      return
    }
    const early: Uint8Array[] = []
    let forward = (frame: Uint8Array): void => void early.push(frame)
    let isGone = false
    let inviter: Leg | undefined
    const joiner: Leg = new Leg(
      stream,
      frame => forward(frame),
      () => {
        isGone = true
        inviter?.hangUp(true)
      }
    )
    let dialled: ByteStream
    try {
      dialled = await this.transport.dial({ ...target, protocol: PAIR_PROTOCOL, signal: AbortSignal.timeout(5_000) })
    } catch {
      joiner.hangUp() // the inviter takes nobody: neither does he
      return
    }
    const counts = { joiner: 0, inviter: 0 }
    const pass = (from: Speaker, frame: Uint8Array): void => {
      const index = counts[from]++
      const verdict = this.#meddle(from, index, frame)
      const [near, far] = from === 'joiner' ? [joiner, inviter] : [inviter, joiner]
      if (verdict === 'hang-up') {
        this.passed.push({ from, index, sent: frame, forwarded: [] })
        joiner.hangUp()
        inviter?.hangUp()
        return
      }
      const isBack = 'back' in verdict
      this.passed.push({ from, index, sent: frame, forwarded: isBack ? [] : verdict })
      const frames = isBack ? verdict.back : verdict
      const other = from === 'joiner' ? 'inviter' : 'joiner'
      this.reached[isBack ? from : other].push(...frames)
      if (isBack) near?.send(frames)
      else far?.send(frames)
    }
    inviter = new Leg(
      dialled,
      frame => pass('inviter', frame),
      () => joiner.hangUp(true)
    )
    forward = frame => pass('joiner', frame)
    for (const frame of early) forward(frame)
    if (isGone) inviter.hangUp(true)
  }
}

/**
 * A transport whose dialled streams of pairing pass through `meddle`, node IDs and all: as if Noise were broken. It stands on the joiner's
 * side.
 */
export function brokenNoise(transport: Transport, meddle: { current: Meddle }): Transport {
  return {
    nodeId: transport.nodeId,
    start: gate => transport.start(gate),
    stop: () => transport.stop(),
    listenAddresses: () => transport.listenAddresses(),
    handle: (protocol, onStream) => transport.handle(protocol, onStream),
    unhandle: protocol => transport.unhandle(protocol),
    disconnect: (nodeId, reason) => transport.disconnect(nodeId, reason),
    dial: async request => new MeddledStream(await transport.dial(request), meddle)
  }
}

class MeddledStream implements ByteStream {
  readonly direction = 'outbound'
  readonly #stream: ByteStream
  readonly #meddle: { current: Meddle }
  readonly #counts = { joiner: 0, inviter: 0 }
  readonly #outgoing: FrameReader
  #reader: StreamReader | undefined

  constructor(stream: ByteStream, meddle: { current: Meddle }) {
    this.#stream = stream
    this.#meddle = meddle
    this.#outgoing = new FrameReader(frame => this.#pass('joiner', frame.slice()), FRAME_BYTES_MAX)
  }

  get nodeId(): NodeId {
    return this.#stream.nodeId
  }

  get address(): string {
    return this.#stream.address
  }

  get unsentBytes(): number {
    return this.#stream.unsentBytes
  }

  read(reader: StreamReader): void {
    this.#reader = reader
    const incoming = new FrameReader(frame => this.#pass('inviter', frame.slice()), FRAME_BYTES_MAX)
    this.#stream.read({
      data: chunk => incoming.push(chunk),
      drained: () => reader.drained(),
      ended: () => reader.ended(),
      closed: end => reader.closed(end)
    })
  }

  write(parts: readonly Uint8Array[]): boolean {
    for (const part of parts) this.#outgoing.push(part)
    return true
  }

  proven(): void {
    this.#stream.proven()
  }

  end(): void {
    this.#stream.end()
  }

  reset(reason: string): void {
    this.#stream.reset(reason)
  }

  #pass(from: Speaker, frame: Uint8Array): void {
    const verdict = this.#meddle.current(from, this.#counts[from]++, frame)
    if (verdict === 'hang-up') {
      this.#stream.reset('hung up')
      return
    }
    const isBack = 'back' in verdict
    const frames = isBack ? verdict.back : verdict
    const isToInviter = (from === 'joiner') !== isBack
    for (const one of frames) {
      const parts = frameParts([one])
      if (isToInviter) this.#stream.write(parts)
      else for (const part of parts) this.#reader?.data(part)
    }
  }
}
