import type { Inbox } from '../../../daemon/src/delivery/inbox/inbox.ts'
import type { Outbox } from '../../../daemon/src/delivery/outbox/outbox.ts'
import type {
  IncomingAttachment,
  LaneSink,
  OutgoingAttachment,
  OutgoingEnvelope
} from '../../../daemon/src/delivery/port.ts'
import { DaemonError } from '../../../daemon/src/errors.ts'
import type { PeersApi, SendRequest } from '../../../daemon/src/ipc/node-api.ts'
import type { PeerInfo } from '../../src/contract/index.ts'

export const CONTACT = 'c-me'

/** One channel, not durable, that leads back to this very host, within the credit that the inbox grants. */
class LoopLane {
  readonly #sink: LaneSink
  readonly #queue: { readonly bodies: readonly Uint8Array[]; readonly done: (id: string) => void }[] = []
  readonly #idPrefix: string
  #grantedMessages = 0
  #grantedBytes = 0
  #sentMessages = 0
  #sentBytes = 0

  constructor(inbox: Inbox, channel: string, number: number) {
    this.#idPrefix = `loop.${number}.`
    const grant = (messages: number, bytes: number) => {
      this.#grantedMessages = messages
      this.#grantedBytes = bytes
      process.nextTick(() => this.#pump())
    }
    const origin = { contact: CONTACT, from: 'me@host', fromName: () => 'me', channel, idPrefix: this.#idPrefix, grant }
    this.#sink = inbox.openLane(origin)
  }

  send(bodies: readonly Uint8Array[]): Promise<{ ids: { first: string; count: number }[] }> {
    return new Promise(resolve => {
      this.#queue.push({ bodies, done: first => resolve({ ids: [{ first, count: bodies.length }] }) })
      this.#pump()
    })
  }

  #pump(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const bytes = head.bodies.reduce((sum, body) => sum + body.length, 0)
      const fits =
        this.#sentMessages + head.bodies.length <= this.#grantedMessages &&
        this.#sentBytes + bytes <= this.#grantedBytes
      if (!fits) return
      this.#queue.shift()
      const firstSeq = this.#sentMessages + 1
      this.#sentMessages += head.bodies.length
      this.#sentBytes += bytes
      this.#sink.deliver(firstSeq, 1_700_000_000_000, head.bodies)
      head.done(`${this.#idPrefix}${firstSeq}`)
    }
  }
}

/** The one contact, `me`, which is this very host. */
export function loopPeers(inbox: Inbox): PeersApi {
  const lanes = new Map<string, LoopLane>()
  const resolve = (peer: string) => {
    if (peer !== 'me' && peer !== CONTACT) throw new DaemonError('NO_SUCH_PEER', `there is no ${peer}`)
    return CONTACT
  }
  const get = (peer: string): PeerInfo => {
    throw new DaemonError('NO_SUCH_PEER', `there is no ${peer}`)
  }
  const send = async ({ peer, channel, bodies }: SendRequest) => {
    resolve(peer)
    const lane = lanes.get(channel) ?? new LoopLane(inbox, channel, lanes.size + 1)
    lanes.set(channel, lane)
    return lane.send(bodies)
  }
  const refuse = async (peer: string) => get(peer)
  return {
    list: () => [],
    get,
    add: async () => Promise.reject(new DaemonError('CARD_INVALID', 'no card')),
    update: refuse,
    remove: async peer => void get(peer),
    rename: refuse,
    block: refuse,
    trust: refuse,
    acceptKey: async peer => ({ peer: get(peer), held: 0 }),
    resolve,
    recipient: peer => ({ contact: resolve(peer), fingerprint: new Uint8Array(32), name: 'me' }),
    send
  }
}

/** Lets the inbox have what the outbox sends, as a session with one's own host would. */
export class LoopSession {
  readonly #outbox: Outbox
  readonly #incoming: IncomingAttachment
  readonly #outgoing: OutgoingAttachment
  #isScheduled = false
  #isEnded = false

  constructor(outbox: Outbox, inbox: Inbox) {
    this.#outbox = outbox
    this.#incoming = inbox.attach(CONTACT, {
      from: 'me@host',
      fromName: () => 'me',
      receipt: receipt => this.#later(() => this.#outbox.receipt(CONTACT, receipt)),
      credit: credit => this.#later(() => this.#outgoing.credit(credit))
    })
    this.#outgoing = outbox.attach(CONTACT, {
      start: { marks: inbox.marks(CONTACT) ?? [] },
      messageBytesMax: 1024 * 1024,
      wake: () => this.#wake()
    })
    this.#incoming.activate()
    this.#wake()
  }

  end(): void {
    this.#isEnded = true
    this.#outgoing.detach()
    this.#incoming.detach()
  }

  #wake(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#later(() => {
      this.#isScheduled = false
      for (let taken = this.#take(); taken !== undefined; taken = this.#take()) this.#carry(taken.envelope)
    })
  }

  #take() {
    return this.#outgoing.take(64 * 1024, true)
  }

  #carry(envelope: OutgoingEnvelope): void {
    if ('laneOpen' in envelope) this.#incoming.open(envelope.laneOpen)
    else if ('run' in envelope) this.#incoming.run(envelope.run)
    else if ('skip' in envelope) this.#incoming.skip(envelope.skip)
    else this.#incoming.closeLane(envelope.reject.lane)
  }

  #later(run: () => void): void {
    process.nextTick(() => {
      if (!this.#isEnded) run()
    })
  }
}
