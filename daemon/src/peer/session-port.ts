import type { PeerSessionInfo } from '@parley/client-sdk/contract'
import type { Receiving } from '../delivery/port.ts'
import type { Succession } from '../identity/succession.ts'
import type { Log } from '../observe/log-port.ts'
import type { RandomBytes } from '../random.ts'
import type { ByteStream, StreamEnd, Transport } from '../transport/port.ts'
import type { Contact } from './contact.ts'
import type { DialLimits, DialOutcome } from './dialler.ts'
import type { ExchangePorts } from './exchange.ts'
import type { Link, LinkLimits } from './link.ts'
import type { OpenLink } from './open-link.ts'
import type { SendJob } from './outgoing.ts'
import type { Self } from './self.ts'
import type { SendingLimits, SendingTimer } from './sending.ts'
import type { UpkeepLimits } from './upkeep.ts'

export interface SessionLimits extends LinkLimits, DialLimits, SendingLimits, UpkeepLimits {
  readonly handshakeTimeoutMs: number
  readonly handshakesAtOncePerContact: number
  readonly rekeyDrainMs: number
  readonly glareWindowMs: number
  readonly clockSkewMsMax: number
}

/** What happened with a contact, told upwards. */
export interface SessionReports {
  /** The state, or what is known of it, has changed. */
  changed(info: PeerSessionInfo): void
  /** A named thing happened, for counters. */
  counted(name: string): void
  skewed(skewMs: number): void
  /** The peer sent its card. */
  cardReceived(card: Uint8Array): void
  /** After `say-bye`: no session is left. */
  closed(): void
}

/** Whether one more contact may be in session, as the owner of all of them knows. */
export interface SessionRoom {
  /** Whether another one may be dialled. */
  mayDial(): boolean
  /** Whether another one may have a stream. */
  mayOpen(): boolean
}

/** Keys of contacts that follow others. */
export interface SuccessionPort {
  /** Resolves once it is on disk, with the contact as it then is. */
  follow(contact: string, links: readonly Succession[]): Promise<Contact>
  forked(contact: string, held: Succession, shown: readonly Succession[]): void
}

export interface SessionDeps extends ExchangePorts {
  readonly self: Self
  readonly transport: Transport
  readonly receiving: Receiving
  readonly randomBytes: RandomBytes
  readonly limits: SessionLimits
  readonly log: Log
  readonly reports: SessionReports
  readonly room: SessionRoom
  readonly succession: SuccessionPort
}

export type SessionMessage =
  | { readonly type: 'inbound'; readonly stream: ByteStream }
  | DialOutcome
  | { readonly type: 'bytes'; readonly link: Link; readonly chunk: Uint8Array }
  | { readonly type: 'drained'; readonly link: Link }
  | { readonly type: 'ended'; readonly link: Link }
  | { readonly type: 'closed'; readonly link: Link; readonly end: StreamEnd }
  | { readonly type: 'handshake-due'; readonly link: Link }
  | { readonly type: 'pulse'; readonly open: OpenLink }
  | { readonly type: 'drain-due'; readonly open: OpenLink }
  | { readonly type: 'send'; readonly job: SendJob }
  /** An app waits to make a request. */
  | { readonly type: 'request' }
  | SendingTimer
  | { readonly type: 'contact'; readonly contact: Contact }
  /** A key that the peer has proven on this link was followed. */
  | { readonly type: 'followed'; readonly link: Link; readonly contact: Contact }
  | { readonly type: 'follow-failed'; readonly link: Link; readonly error: unknown }
  /** This daemon has another Themis key. */
  | { readonly type: 'own-key' }
  /** This daemon's card has changed. */
  | { readonly type: 'own-card' }
  /** The host woke up or its addresses changed: what was learned by failing is void. */
  | { readonly type: 'awake' }
  /** The store is back, and what is kept was read again: the hellos of new sessions settle what the old ones left open. */
  | { readonly type: 'store-reopened' }
  /** Ends the sessions in good order; `stop` follows. */
  | { readonly type: 'say-bye' }
