import { Inbox } from '../../daemon/src/delivery/inbox/inbox.ts'
import { Outbox } from '../../daemon/src/delivery/outbox/outbox.ts'
import type {
  IncomingSession,
  OutgoingAttachment,
  OutgoingSession,
  TakenEnvelope
} from '../../daemon/src/delivery/port.ts'
import type { StoreWrite, Sublevel } from '../../daemon/src/store/port.ts'
import type { Wraps } from './host.ts'
import { DoublingSocket, EndlessTransport, FilteringSocket, PlantedStore } from './planted-ports.ts'

// Bugs, put around the ports of daemons that have none of them: what the simulation is worth shows in how soon it finds each.

const puts = (writes: readonly StoreWrite[], sublevel: Sublevel) =>
  writes.some(write => write.type === 'put' && write.sublevel === sublevel)

/** Answers batches with such a record before they are on disk. */
const answerBeforeSync = (sublevel: Sublevel): Wraps => ({
  store: inner =>
    new PlantedStore(inner, async (store, writes, options) => {
      const written = store.batch(writes, { sync: options.sync && !puts(writes, sublevel) })
      if (!puts(writes, sublevel)) return written
      written.catch(() => undefined) // it was answered already
    })
})

/** Stores messages and not how far their lane is. */
const forgetDedup: Wraps = {
  store: inner =>
    new PlantedStore(inner, (store, writes, options) =>
      store.batch(puts(writes, 'inbox') ? writes.filter(({ sublevel }) => sublevel !== 'lanes') : writes, options)
    )
}

/** Stores messages, and then how far their lane is. */
const dedupInAnotherBatch: Wraps = {
  store: inner =>
    new PlantedStore(inner, async (store, writes, options) => {
      if (!puts(writes, 'inbox')) return store.batch(writes, options)
      await store.batch(
        writes.filter(({ sublevel }) => sublevel !== 'lanes'),
        options
      )
      await store.batch(
        writes.filter(({ sublevel }) => sublevel === 'lanes'),
        options
      )
    })
}

/** Says what was accepted again under a new number, when its answer was lost. */
const doubleOnLostReply = (): Wraps => {
  const lost = new Map<string, { params: object }[]>()
  return {
    socket: (inner, host) => {
      const ofHost = lost.get(host) ?? []
      lost.set(host, ofHost)
      return new DoublingSocket(inner, ofHost)
    }
  }
}

/** Tells no app that a message has expired. */
const expireWithoutTelling: Wraps = {
  socket: inner =>
    new FilteringSocket(inner, message => {
      if (message['method'] !== 'events.event') return message
      const params = message['params'] as { readonly events: readonly { readonly state?: string }[] }
      return { ...message, params: { ...params, events: params.events.filter(({ state }) => state !== 'expired') } }
    })
}

/** Ends an old session of a rekey without its last word. */
const skipEnd: Wraps = { transport: (inner, clock) => new EndlessTransport(inner, clock) }

/** Sends the first messages of a lane in another order when they go out for the second time. */
const reorderOnRetry: Wraps = {
  install: () => {
    const met = new Set<string>()
    return wrapped(
      Outbox.prototype,
      'attach',
      attach =>
        function (this: Outbox, contact: string, session: OutgoingSession) {
          const attachment = attach.call(this, contact, session)
          const isRetry = met.has(contact)
          met.add(contact)
          return isRetry ? swapFirst(attachment) : attachment
        }
    )
  }
}

/** The first two runs of one lane that have as many messages exchange them. */
function swapFirst(inner: OutgoingAttachment): OutgoingAttachment {
  const held: TakenEnvelope[] = []
  let isDone = false
  return {
    take: (bytesMax, mayExceed) => {
      const next = held.shift()
      if (next !== undefined) return next
      const first = inner.take(bytesMax, mayExceed)
      if (isDone || first === undefined || !('run' in first.envelope)) return first
      const second = inner.take(bytesMax, mayExceed)
      if (second === undefined) return first
      held.push(second)
      if (!('run' in second.envelope)) return first
      const [a, b] = [first.envelope.run, second.envelope.run]
      if (a.lane !== b.lane || a.bodies.length !== b.bodies.length) return first
      isDone = true
      held[0] = { ...second, envelope: { run: { ...b, bodies: a.bodies } } }
      return { ...first, envelope: { run: { ...a, bodies: b.bodies } } }
    },
    credit: credit => inner.credit(credit),
    detach: () => inner.detach()
  }
}

/** Does not look at what the peer has when a session begins, and so takes the numbers of what it forgot for free. */
const reuseNumbers: Wraps = {
  install: () =>
    wrapped(
      Outbox.prototype,
      'attach',
      attach =>
        function (this: Outbox, contact: string, session: OutgoingSession) {
          const { messageBytesMax } = session
          return attach.call(this, contact, { start: 'stored', messageBytesMax, wake: () => session.wake() })
        }
    )
}

/** What a session may tell in receipts, where each is paid for as a message is. Nobody grants any. */
const PAID_RECEIPTS = 2

/** Lets receipts wait for credit. */
const creditForReceipts: Wraps = {
  install: () =>
    wrapped(
      Inbox.prototype,
      'attach',
      attach =>
        function (this: Inbox, contact: string, session: IncomingSession) {
          let left = PAID_RECEIPTS
          return attach.call(this, contact, {
            from: session.from,
            fromName: () => session.fromName(),
            credit: credit => session.credit(credit),
            receipt: receipt => {
              if (left-- > 0) session.receipt(receipt)
            }
          })
        }
    )
}

/** Puts another method in place of one, and returns what puts it back. */
function wrapped<T extends object, K extends keyof T>(target: T, name: K, wrap: (method: T[K]) => T[K]): () => void {
  const method = target[name]
  target[name] = wrap(method)
  return () => {
    target[name] = method
  }
}

/** Every planted bug, by what it does. Made anew for each seed. */
export const PLANTS: Readonly<Record<string, () => Wraps>> = {
  'acknowledge before the sync': () => answerBeforeSync('consumers'),
  'send before the sync': () => answerBeforeSync('outbox'),
  'deliver before the sync': () => answerBeforeSync('inbox'),
  'forget what it has stored': () => forgetDedup,
  'write what it has stored in another batch': () => dedupInAnotherBatch,
  'reorder on a retry': () => reorderOnRetry,
  'use a number again after a restore': () => reuseNumbers,
  'ask credit for receipts': () => creditForReceipts,
  'skip the end of a session at a rekey': () => skipEnd,
  'expire without telling': () => expireWithoutTelling,
  'double on a lost reply': doubleOnLostReply
}
