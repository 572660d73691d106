import type { EventBody } from '@parley/client-sdk/contract'
import { VirtualClock } from '../../../src/actor/virtual-clock.ts'
import type { Inbox } from '../../../src/delivery/inbox/inbox.ts'
import type { InboxDeps, InboxOptions } from '../../../src/delivery/inbox/parts.ts'
import type { Credit, IncomingAttachment, Receipt } from '../../../src/delivery/port.ts'
import { PeerFault } from '../../../src/peer/fault.ts'
import { seededRandomBytes } from '../../../src/random.ts'
import { MemoryDisk, MemoryStore } from '../../../src/store/memory.ts'
import { openInbox } from './support.ts'

export const EPOCH: Uint8Array = new Uint8Array(16).fill(0xe1)
export const EPOCH_2: Uint8Array = new Uint8Array(16).fill(0xe2)
export const LANE = 1_025
const STATES = ['', 'stored', 'handled', 'rejected']

/** A session as the inbox sees it, and what its peer is told. */
export interface TestSession {
  readonly attachment: IncomingAttachment
  /** `stored 1025:1-3`, `rejected 1025:4-4 SKIPPED`, in order. */
  readonly receipts: string[]
  readonly credits: Map<number, Credit>
  /** For a test's own count. */
  readonly sent: Map<number, { messages: number; bytes: number }>
  /** Sends a run of bodies, each of `size` bytes that all hold its number. */
  run(first: number, count: number, asked?: { lane?: number; size?: number; maybeDuplicate?: boolean }): void
}

/** A daemon's inbox with its disk, which can crash and start again. */
export class Host {
  readonly clock = new VirtualClock()
  readonly disk = new MemoryDisk()
  readonly events: EventBody[] = []
  readonly damaged: string[] = []
  /** Contacts that are none any more. */
  readonly strangers = new Set<string>()
  readonly options: Partial<InboxOptions>
  readonly #wrap: (store: MemoryStore) => InboxDeps['store']
  store = new MemoryStore(this.disk)
  #inbox: Inbox | undefined

  private constructor(options: Partial<InboxOptions>, wrap: (store: MemoryStore) => InboxDeps['store']) {
    this.options = options
    this.#wrap = wrap
  }

  static async start(
    options: Partial<InboxOptions> = {},
    wrap: (store: MemoryStore) => InboxDeps['store'] = store => store
  ): Promise<Host> {
    const host = new Host(options, wrap)
    await host.open()
    return host
  }

  get inbox(): Inbox {
    if (this.#inbox === undefined) throw new Error('not open')
    return this.#inbox
  }

  async open(): Promise<void> {
    this.store = new MemoryStore(this.disk)
    await this.store.open()
    this.#inbox = await openInbox(
      {
        ...{ store: this.#wrap(this.store), clock: this.clock, emit: body => this.events.push(body) },
        isContact: contact => !this.strangers.has(contact),
        damaged: sublevel => this.damaged.push(sublevel)
      },
      this.options
    )
  }

  /** Cuts the power and starts again. */
  async crash(seed = 'crash'): Promise<void> {
    this.disk.crash(seededRandomBytes(seed))
    await this.open()
  }

  /** Stops in good order and starts again. */
  async restart(): Promise<void> {
    await this.inbox.stop()
    await this.store.close()
    await this.open()
  }

  /** The store is lost and comes back, as a failed write makes it. */
  async loseStore(): Promise<void> {
    this.inbox.storeLost()
    await this.store.close()
    await this.store.open()
    await this.inbox.reload()
  }

  /** Lets everything happen that waits for no time. */
  settle(): Promise<void> {
    return this.clock.settle()
  }

  /** A session with lanes open on it, active unless said. */
  session(
    asked: { contact?: string; lanes?: Readonly<Record<number, string>>; epoch?: Uint8Array; isActive?: boolean } = {}
  ): TestSession {
    const { contact = 'alice', lanes = { [LANE]: 'chat' }, epoch = EPOCH, isActive = true } = asked
    const receipts: string[] = []
    const credits = new Map<number, Credit>()
    const attachment = this.inbox.attach(contact, {
      from: `${contact}@host`,
      fromName: () => contact,
      receipt: receipt => receipts.push(describe(receipt)),
      credit: credit => {
        const before = credits.get(credit.lane)
        if (before !== undefined && (credit.messages < before.messages || credit.bytes < before.bytes)) {
          throw new Error('credit fell')
        }
        credits.set(credit.lane, credit)
      }
    })
    for (const [lane, channel] of Object.entries(lanes)) attachment.open({ lane: Number(lane), channel, epoch })
    if (isActive) attachment.activate()
    return {
      ...{ attachment, receipts, credits, sent: new Map() },
      run: (first, count, { lane = LANE, size = 10, maybeDuplicate = false } = {}) =>
        attachment.run({
          ...{ lane, first, acceptedAt: 1_700_000_000_000, ttlLeftMs: 1_000, maybeDuplicate },
          tag: new Uint8Array(8).fill(first % 256),
          bodies: Array.from({ length: count }, (_, n) => new Uint8Array(size).fill((first + n) % 256))
        })
    }
  }
}

function describe({ epoch, lane, state, from, to, reason }: Receipt): string {
  const old = epoch[0] === EPOCH[0] ? '' : `${epoch[0]?.toString(16)}:`
  return `${STATES[state]} ${old}${lane}:${from}-${to}${reason === '' ? '' : ` ${reason}`}`
}

/** The code with which a peer's doing is refused; `none` where it is not. */
export function faultOf(code: () => void): string {
  try {
    code()
  } catch (error) {
    if (error instanceof PeerFault) return error.code
    throw error
  }
  return 'none'
}
