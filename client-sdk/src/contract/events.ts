import type { ErrorCode } from './errors.ts'
import type {
  HealthComponent,
  IdRange,
  MessageStateRange,
  PairingState,
  SessionState,
  TransferInfo,
  Trust,
  WaitingComparison
} from './types.ts'

/** What an event says, by `kind`. More kinds and members may come; a client ignores what it does not know. */
export type EventBody =
  | { readonly kind: 'peer.added' | 'peer.updated' | 'peer.removed'; readonly contact: string; readonly name: string }
  /** A contact has another key, signed with the one before: fingerprints in hexadecimal. */
  | {
      readonly kind: 'peer.followed'
      readonly contact: string
      readonly name: string
      readonly fingerprint: string
      readonly former: string
    }
  /** This daemon has another Themis key. */
  | { readonly kind: 'identity.rotated'; readonly fingerprint: string; readonly former: string }
  | { readonly kind: 'peer.trust'; readonly contact: string; readonly name: string; readonly trust: Trust }
  | {
      readonly kind: 'peer.session'
      readonly contact: string
      readonly name: string
      readonly state: SessionState
      readonly code?: string
      readonly detail?: string
    }
  | { readonly kind: 'peer.skew'; readonly contact: string; readonly name: string; readonly skewMs: number }
  | { readonly kind: 'peer.quarantined'; readonly contact: string; readonly name: string }
  | { readonly kind: 'consumer.stalled' | 'consumer.taken-over' | 'consumer.removed'; readonly consumer: string }
  /** Messages that this daemon accepted have come further. */
  | ({ readonly kind: 'message.state'; readonly contact: string; readonly channel: string } & MessageStateRange)
  /** This daemon had forgotten numbers that the peer knows: it was restored. What waits has new numbers, and may come twice. */
  | { readonly kind: 'store.rolled-back'; readonly contact: string; readonly name: string }
  /** The peer has forgotten messages that it had stored; how many, and which, of one lane. */
  | ({ readonly kind: 'peer.lost-state'; readonly contact: string; readonly name: string } & IdRange)
  /** One side is restored again and again: two daemons share an identity. */
  | { readonly kind: 'identity.cloned'; readonly contact: string; readonly name: string }
  /** A record of the store was set aside because it does not open; `ids` or `indexes` tell what is lost with it. */
  | {
      readonly kind: 'store.damaged'
      readonly sublevel: string
      readonly ids?: IdRange
      readonly indexes?: { readonly from: number; readonly to: number }
    }
  /** The wall clock moved against the monotonic one. */
  | { readonly kind: 'clock.stepped'; readonly byMs: number }
  /** A contact offers a file; `file` is its name. */
  | {
      readonly kind: 'transfer.offered'
      readonly transfer: string
      readonly contact: string
      readonly name: string
      readonly file: string
      readonly size: number
    }
  | ({
      readonly kind: 'transfer.state'
      readonly contact: string
      readonly name: string
      readonly file: string
    } & Pick<TransferInfo, 'transfer' | 'direction' | 'size' | 'state' | 'waitsFor'>)
  /** A contact has started a comparison, which waits for a secret from here; or one that waited is over, answered or not. */
  | ({ readonly kind: 'compare.waiting' } & WaitingComparison)
  | { readonly kind: 'compare.over'; readonly compare: string; readonly contact: string; readonly name: string }
  /** A pairing has come further. `id` is what the other side calls itself. */
  | {
      readonly kind: 'pairing.state'
      readonly pairing: string
      readonly role: 'inviter' | 'joiner'
      readonly state: PairingState
      /** Of `failed`, `interrupted`, `wrong-code`, and of `open` after a run that failed. */
      readonly code?: ErrorCode
      readonly detail?: string
      /** Of `open` and `wrong-code`. */
      readonly triesLeft?: number
      /** Of `pending`. */
      readonly id?: string
      /** Of `verified`. */
      readonly contact?: string
      readonly name?: string
    }
  | { readonly kind: 'health.changed'; readonly component: string; readonly health: HealthComponent }
  | { readonly kind: 'node.stopping' }

export type EventKind = EventBody['kind']

/** `cursor` is `<epoch>:<index>`: the epoch is new at each start of the daemon, the index counts from 1 without holes. */
export type NodeEvent = EventBody & { readonly cursor: string; readonly at: number }
