import type { HealthComponent, SessionState, Trust } from './types.ts'

/** What an event says, by `kind`. More kinds and members may come; a client ignores what it does not know. */
export type EventBody =
  | { readonly kind: 'peer.added' | 'peer.updated' | 'peer.removed'; readonly contact: string; readonly name: string }
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
  | { readonly kind: 'consumer.stalled' | 'consumer.taken-over'; readonly consumer: string }
  | { readonly kind: 'health.changed'; readonly component: string; readonly health: HealthComponent }
  | { readonly kind: 'node.stopping' }

export type EventKind = EventBody['kind']

/** `cursor` is `<epoch>:<index>`: the epoch is new at each start of the daemon, the index counts from 1 without holes. */
export type NodeEvent = EventBody & { readonly cursor: string; readonly at: number }
